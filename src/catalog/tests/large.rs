//! Large folders: an asset in one is found by its name, and is the same as in a small folder.

use super::{House, film, names};
use crate::catalog::{Asset, Error};
use std::fs;
use std::time::Duration;

/// Fills `folder` with so many films that it counts as large.
fn fill(house: &House, folder: &str) {
    house.write(&format!("{folder}/0.mp4"), &film(64, 36, 10));
    for number in 1..70 {
        fs::hard_link(house.path(format!("{folder}/0.mp4")), house.path(format!("{folder}/{number}.mp4"))).unwrap();
    }
}

fn codes(asset: &Asset) -> Vec<&str> {
    asset.notes.iter().map(|note| note.code.as_str()).collect()
}

#[tokio::test]
async fn what_is_in_a_large_folder_is_what_it_would_be_in_a_small_one() {
    let house = House::new();
    fill(&house, "films");
    house.write("films/a.MoV", &film(64, 36, 11));
    house.write("films/b.mp4", &film(64, 36, 12));
    house.write("films/b/c.mp4", &film(64, 36, 13));
    house.write("films/d/360.mp4", &film(640, 360, 10));
    house.write("films/d/720.mp4", &film(1280, 720, 10));
    house.write("films/e.mp4", &film(64, 36, 14));
    house.write("films/e.mov", &film(64, 36, 14));
    house.write("films/g.h.m4v", &film(64, 36, 15));
    for (name, files, notes) in [
        ("films/69", vec!["69.mp4"], vec!["loose-folder"]),
        ("films/a", vec!["a.MoV"], vec!["loose-folder"]),
        ("films/b", vec!["b.mp4"], vec!["loose-folder", "name-beside-folder"]),
        ("films/b/c", vec!["c.mp4"], vec![]),
        ("films/d", vec!["360.mp4", "720.mp4"], vec![]),
        ("films/g.h", vec!["g.h.m4v"], vec!["loose-folder"]),
    ] {
        let asset = house.open(name).await.unwrap();
        assert_eq!((names(&asset), codes(&asset)), (files, notes), "{name}");
    }
    assert_eq!(house.refusal("films/e").await, "films/e.mov: its name is also that of e.mp4: rename one");
    for name in ["films", "films/none", "films/g", "films/none/c", "films/0.mp4"] {
        assert!(matches!(house.open(name).await, Err(Error::NotFound)), "{name}");
    }
}

#[tokio::test]
async fn a_large_folder_with_an_asset_json_is_one_asset() {
    let house = House::new();
    fill(&house, "film");
    house.write("film/asset.json", br#"{"version":1,"renditions":[{"file":"7.mp4"}]}"#);
    assert_eq!(names(&house.open("film").await.unwrap()), ["7.mp4"]);
    for name in ["film/7", "film/8"] {
        assert!(matches!(house.open(name).await, Err(Error::NotFound)), "{name}");
    }
    house.write("film/asset.json", br#"{"version":1,"renditions":[{"file":"none.mp4"}]}"#);
    assert!(house.refusal("film").await.starts_with("film/none.mp4: asset.json names it"));
}

#[tokio::test]
async fn a_new_file_in_a_large_folder_appears_once_it_holds() {
    let house = House::settling(Duration::from_millis(300));
    fill(&house, "films");
    house.write("films/new.mp4", &film(64, 36, 10));
    assert!(matches!(house.open("films/new").await, Err(Error::NotFound)));
    tokio::time::sleep(Duration::from_millis(350)).await;
    let old = house.open("films/new").await.unwrap();
    house.replace("films/new.mp4", &film(64, 36, 12));
    assert_eq!(house.open("films/new").await.unwrap().files[0].movie.content, old.files[0].movie.content);
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_ne!(house.open("films/new").await.unwrap().files[0].movie.content, old.files[0].movie.content);
}

#[tokio::test]
async fn a_folder_that_grows_large_keeps_its_assets_and_one_that_shrinks_is_a_ladder_again() {
    let house = House::new();
    house.write("film/360.mp4", &film(640, 360, 10));
    house.write("film/720.mp4", &film(1280, 720, 10));
    assert_eq!(names(&house.open("film").await.unwrap()), ["360.mp4", "720.mp4"]);
    for number in 0..1_000 {
        house.write(&format!("film/{number}.txt"), b"");
    }
    assert!(matches!(house.open("film").await, Err(Error::NotFound)));
    assert_eq!(names(&house.open("film/360").await.unwrap()), ["360.mp4"]);
    fs::remove_file(house.path("film/0.txt")).unwrap();
    fs::remove_file(house.path("film/1.txt")).unwrap();
    assert_eq!(names(&house.open("film").await.unwrap()), ["360.mp4", "720.mp4"]);
}
