//! Keys: the database holds only hashes, and creates the first key only once.

use crate::scene::{on_each_engine, open};
use afflux::library::{ApiKey, Error, UploadToken};
use tokio::task::JoinSet;

fn key(id: &str) -> ApiKey {
    ApiKey {
        id: id.into(),
        name: "console".into(),
        scopes: "read,write".into(),
        created: 5,
        expires: Some(1_000),
        used: None,
        revoked: None,
    }
}

#[test]
fn of_many_processes_that_begin_one_makes_the_first_key() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await, open(url).await];
        let mut makers = JoinSet::new();
        for number in 0..18 {
            let library = handles[number % 3].clone();
            let key = key(&format!("k{number}"));
            makers.spawn(async move { library.insert_first_key(&key, &format!("hash of {}", key.id)).await.unwrap() });
        }
        assert_eq!(makers.join_all().await.into_iter().filter(|first| *first).count(), 1);
        assert_eq!(handles[1].keys().await.unwrap().len(), 1);
    });
}

#[test]
fn a_key_is_found_by_the_hash_of_its_secret() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.insert_key(&key("k"), "hash").await.unwrap();
        assert_eq!(library.key_by_hash("hash").await, Ok(Some(key("k"))));
        assert_eq!(library.key_by_hash("other").await, Ok(None));
        assert_eq!(library.insert_key(&key("k"), "other").await, Err(Error::Taken));
        assert_eq!(library.insert_key(&key("l"), "hash").await, Err(Error::Taken));
        assert_eq!(library.keys().await, Ok(vec![key("k")]));
    });
}

#[test]
fn a_key_is_revoked_once_and_its_use_is_known_to_the_minute() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.insert_key(&key("k"), "hash").await.unwrap();
        let used = async || library.key_by_hash("hash").await.unwrap().unwrap().used;
        for (now, wanted) in [(10, 10), (60_009, 10), (60_010, 60_010), (60_011, 60_010)] {
            library.used_key("k", now).await.unwrap();
            assert_eq!(used().await, Some(wanted));
        }
        library.used_key("none", 10).await.unwrap();
        assert_eq!(library.revoke_key("k", 7).await, Ok(true));
        assert_eq!(library.revoke_key("k", 8).await, Ok(false));
        assert_eq!(library.revoke_key("none", 8).await, Ok(false));
        assert_eq!(library.key_by_hash("hash").await.unwrap().unwrap().revoked, Some(7));
    });
}

#[test]
fn of_many_who_use_one_upload_token_one_gets_an_upload() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await, open(url).await];
        handles[0].insert_key(&key("k"), "hash of k").await.unwrap();
        let token = UploadToken {
            id: "t".into(),
            asset: "films/night".into(),
            largest: 7,
            types: "mp4,mov".into(),
            key: "k".into(),
            created: 1,
            expires: 500,
            upload: None,
        };
        handles[0].insert_upload_token(&token, "hash").await.unwrap();
        assert_eq!(handles[1].upload_token("hash", 9).await, Ok(Some(token.clone())));
        let mut users = JoinSet::new();
        for number in 0..18 {
            let library = handles[number % 3].clone();
            users.spawn(async move { library.spend_upload_token("t", &format!("u{number}"), 9).await.unwrap() });
        }
        assert_eq!(users.join_all().await.into_iter().filter(|spent| *spent).count(), 1);
        let spent = handles[1].upload_token("hash", 9).await.unwrap().unwrap().upload.unwrap();
        // A holder whose upload failed returns the token, and nobody else can.
        assert_eq!(handles[1].restore_upload_token("t", "another").await, Ok(false));
        assert_eq!(handles[1].restore_upload_token("t", &spent).await, Ok(true));
        assert_eq!(handles[2].spend_upload_token("t", "late", 500).await, Ok(false));
        // The token is valid only as long as the key that made it, and no other key revokes it.
        assert_eq!(handles[2].upload_token("hash", 1_000).await, Ok(None));
        handles[2].revoke_key("k", 9).await.unwrap();
        assert_eq!(handles[1].upload_token("hash", 9).await, Ok(None));
        assert_eq!(handles[1].delete_upload_token("t", "other").await, Ok(false));
        assert_eq!(handles[1].forget_upload_tokens(501).await, Ok(1));
    });
}
