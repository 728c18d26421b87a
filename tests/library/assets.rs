//! Assets: listed in every order, found by any part of their name, locked by one owner at a time.

use crate::scene::{on_each_engine, open};
use afflux::library::{AssetQuery, AssetRow, AssetSort, Error, Library};
use afflux::media::Details;
use tokio::task::JoinSet;

fn asset(id: &str) -> AssetRow {
    AssetRow {
        id: id.into(),
        title: None,
        details: Details::default(),
        created: 0,
        updated: 0,
        bytes: 0,
        millis: 0,
        files: 1,
        deleted: None,
        purge_at: None,
        before: None,
    }
}

async fn names(library: &Library, query: &AssetQuery) -> Vec<String> {
    let (rows, next) = library.list_assets(query).await.unwrap();
    assert_eq!(next, None);
    rows.into_iter().map(|row| row.id).collect()
}

#[test]
fn a_row_is_put_whole_and_keeps_when_it_was_made() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let first = AssetRow {
            title: Some("Ein Film".into()),
            details: Details { tags: vec!["night".into()], ..Details::default() },
            created: 3,
            updated: 3,
            bytes: 1 << 40,
            millis: 7_200_000,
            files: 9,
            ..asset("film")
        };
        library.put_asset(&first, 3).await.unwrap();
        assert_eq!(library.asset("film").await, Ok(Some(first.clone())));
        let second =
            AssetRow { created: 99, deleted: Some(50), purge_at: Some(60), before: Some("{}".into()), ..first.clone() };
        library.put_asset(&second, 50).await.unwrap();
        assert_eq!(library.asset("film").await, Ok(Some(AssetRow { created: 3, updated: 50, ..second.clone() })));
        assert_eq!(library.delete_asset_row("film").await, Ok(true));
        assert_eq!(library.delete_asset_row("film").await, Ok(false));
        assert_eq!(library.asset("film").await, Ok(None));
    });
}

#[test]
fn pages_give_each_asset_once_in_every_order() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let ids = ["b", "B", "a/1", "a-1", "a_1", "Ä", "ä", "z", "Z", "10", "9", "a", "ab", "~", "film é"];
        let mut rows: Vec<AssetRow> = Vec::new();
        for (number, id) in (0_u32..).zip(ids) {
            let row = AssetRow {
                created: i64::from(number % 3),
                updated: i64::from(number * 7 % 4),
                bytes: u64::from(number * 5 % 6),
                ..asset(id)
            };
            library.put_asset(&row, row.updated).await.unwrap();
            rows.push(row);
        }
        library.put_asset(&AssetRow { deleted: Some(1), ..asset("gone") }, 1).await.unwrap();
        for sort in AssetSort::ALL {
            for descending in [false, true] {
                let key = |row: &AssetRow| match sort {
                    AssetSort::Name => 0,
                    AssetSort::Created => row.created,
                    AssetSort::Updated => row.updated,
                    AssetSort::Bytes => i64::try_from(row.bytes).unwrap(),
                };
                rows.sort_by(|a, b| (key(a), &a.id).cmp(&(key(b), &b.id)));
                if descending {
                    rows.reverse();
                }
                let mut query = AssetQuery { sort, descending, limit: 4, ..AssetQuery::default() };
                let mut walked = Vec::new();
                loop {
                    let (page, next) = library.list_assets(&query).await.unwrap();
                    walked.extend(page);
                    query.after = next;
                    if query.after.is_none() {
                        break;
                    }
                }
                assert_eq!(walked, rows, "{sort:?} {descending}");
            }
        }
        let deleted = AssetQuery { deleted: true, limit: 9, ..AssetQuery::default() };
        assert_eq!(names(&library, &deleted).await, ["gone"]);
    });
}

#[test]
fn a_place_of_another_order_is_no_place() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for id in ["a", "b"] {
            library.put_asset(&asset(id), 1).await.unwrap();
        }
        let query = AssetQuery { limit: 1, ..AssetQuery::default() };
        let (_, after) = library.list_assets(&query).await.unwrap();
        let by_bytes = AssetQuery { sort: AssetSort::Bytes, after, ..query.clone() };
        assert_eq!(library.list_assets(&by_bytes).await, Err(Error::Place));
        for wrong in ["", "a", "!!", "WzEsMl0", "WyJuYW1lIiwxLCJhIl0"] {
            let query = AssetQuery { after: Some(wrong.into()), ..query.clone() };
            assert_eq!(library.list_assets(&query).await, Err(Error::Place), "{wrong}");
        }
    });
}

#[test]
fn any_part_of_a_name_or_title_finds_it_and_no_character_is_special() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let titles = [("a", "100% Wolle"), ("b", "1000 Wolle"), ("c_d", "Größe!"), ("cxd", "what?"), ("e", "C:\\x")];
        for (id, title) in titles {
            library.put_asset(&AssetRow { title: Some(title.into()), ..asset(id) }, 1).await.unwrap();
        }
        for (search, wanted) in [
            ("wOLLE", &["a", "b"][..]),
            ("100%", &["a"]),
            ("C_D", &["c_d"]),
            ("GRÖSSE", &[]),
            ("GRÖß", &["c_d"]),
            ("e!", &["c_d"]),
            ("?", &["cxd"]),
            ("\\", &["e"]),
            ("'", &[]),
            ("", &["a", "b", "c_d", "cxd", "e"]),
        ] {
            let query = AssetQuery { search: Some(search.into()), limit: 99, ..AssetQuery::default() };
            assert_eq!(names(&library, &query).await, wanted, "{search}");
        }
    });
}

#[test]
fn one_at_a_time_has_the_lock_on_a_name() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await];
        let mut lockers = JoinSet::new();
        for number in 0..16 {
            let library = handles[number % 2].clone();
            lockers.spawn(async move { library.lock_asset("film", &format!("o{number}"), 100, 0).await.unwrap() });
        }
        assert_eq!(lockers.join_all().await.into_iter().filter(|locked| *locked).count(), 1);
        let library = &handles[0];
        assert_eq!(library.lock_asset("other", "a", 100, 0).await, Ok(true));
        assert_eq!(library.lock_asset("other", "a", 200, 50).await, Ok(true));
        assert_eq!(library.lock_asset("other", "b", 300, 199).await, Ok(false));
        assert_eq!(library.lock_asset("other", "b", 300, 200).await, Ok(true));
        assert_eq!(library.unlock_asset("other", "a").await, Ok(false));
        assert_eq!(library.unlock_asset("other", "b").await, Ok(true));
        assert_eq!(library.lock_asset("other", "a", 300, 201).await, Ok(true));
    });
}

#[test]
fn whoever_looked_at_the_store_before_a_deletion_changes_nothing_of_it() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let deleted = AssetRow { deleted: Some(5), purge_at: Some(9), before: Some("{}".into()), ..asset("night") };
        library.put_asset(&deleted, 5).await.unwrap();
        library.note_asset(&asset("night"), 6).await.unwrap();
        assert!(!library.forget_asset("night").await.unwrap());
        assert_eq!(library.asset("night").await, Ok(Some(AssetRow { updated: 5, ..deleted })));
        library.note_asset(&asset("day"), 6).await.unwrap();
        library.note_asset(&AssetRow { bytes: 7, ..asset("day") }, 7).await.unwrap();
        assert_eq!(library.asset("day").await.unwrap().unwrap().bytes, 7);
        assert!(library.forget_asset("day").await.unwrap());
    });
}
