//! Lists and searches: names alone, from one walk for all concurrent requests.

use super::{House, film};
use crate::catalog::Query;

/// The names on all pages of `limit` that contain `words`, and for each whether it is certain.
async fn found(house: &House, words: &str, limit: usize) -> (Vec<String>, Vec<bool>) {
    let (mut names, mut certain, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = house.catalog.search(Query { words: words.into(), after, limit }).await.unwrap();
        for entry in page.entries {
            names.push(entry.name);
            certain.push(entry.is_certain);
        }
        after = page.next;
        if after.is_none() {
            return (names, certain);
        }
    }
}

#[tokio::test]
async fn every_file_and_every_folder_that_may_be_an_asset_has_its_name_once() {
    let house = House::new();
    for name in ["a.mov", "a.mp4", "asset.json", "b/x.mp4", "c.mp4", "d/x.mp4", "d/y.mp4", "e/asset.json", "e/z.mp4"] {
        house.write(name, b"");
    }
    let names = ["a", "b/x", "c", "d", "d/x", "d/y", "e"];
    let certain = [true, true, true, false, false, false, true];
    for limit in [1, 2, 100] {
        assert_eq!(found(&house, "", limit).await, (names.map(String::from).to_vec(), certain.to_vec()), "{limit}");
    }
    assert_eq!(*house.catalog.listed().await.unwrap(), names);
}

#[tokio::test]
async fn names_that_no_url_can_say_are_on_a_page_and_do_not_end_it() {
    let house = House::new();
    for name in ["a.mp4", "files/1.mp4", "files/2.mp4", "z.mp4"] {
        house.write(name, b"");
    }
    for limit in [1, 2, 3, 4] {
        let (names, _) = found(&house, "", limit).await;
        assert_eq!(names, ["a", "files", "files/1", "files/2", "z"], "{limit}");
    }
}

#[tokio::test]
async fn words_are_looked_for_in_names_and_in_titles_of_assets_that_were_opened() {
    let house = House::new();
    house.write("films/ÄON/a.mp4", &film(64, 36, 10));
    house.write(
        "films/ÄON/asset.json",
        r#"{"version":1,"title":"The Long Night","renditions":[{"file":"a.mp4"}]}"#.as_bytes(),
    );
    house.write("films/other.mp4", &film(64, 36, 10));
    assert_eq!(found(&house, "äon FILMS", 10).await.0, ["films/ÄON"]);
    assert_eq!(found(&house, "night", 10).await.0, [""; 0]);
    house.open("films/ÄON").await.unwrap();
    assert_eq!(found(&house, "night long", 10).await.0, ["films/ÄON"]);
    let page = house.catalog.search(Query { words: "night".into(), after: None, limit: 1 }).await.unwrap();
    assert_eq!((page.entries[0].title.as_deref(), page.total, page.next), (Some("The Long Night"), 1, None));
}

#[tokio::test]
async fn a_folder_that_was_looked_at_is_listed_as_what_it_is() {
    let house = House::new();
    house.write("film/360.mp4", &film(640, 360, 10));
    house.write("film/720.mp4", &film(1280, 720, 10));
    assert_eq!(found(&house, "", 10).await.0, ["film", "film/360", "film/720"]);
    house.open("film").await.unwrap();
    assert_eq!(found(&house, "", 10).await, (vec!["film".to_owned()], vec![true]));
}
