//! Uploads: one writer at a time, and an acknowledged offset never goes back.

use crate::scene::{LEASE, asset, job, lease_of, on_each_engine, open, row_at, upload};
use afflux::library::{
    AssetRow, Error, JobKind, JobState, NewJob, NewUpload, Settlement, StrandedUpload, Upload, UploadState,
};
use std::time::Duration;
use tokio::task::JoinSet;

#[test]
fn an_upload_begins_as_it_was_announced() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&upload("u"), 0, 7).await.unwrap();
        let wanted = Upload {
            id: "u".into(),
            asset: "film".into(),
            file: "film.mp4".into(),
            title: Some("The Film".into()),
            length: Some(100),
            offset: 0,
            state: UploadState::Receiving,
            reason: None,
            metadata: "filename ZmlsbS5tcDQ=".into(),
            saved: String::new(),
            report: None,
            created: 7,
            updated: 7,
            expires: 10_000,
            key: "k1".into(),
            epoch: 0,
        };
        assert_eq!(library.upload("u").await, Ok(Some(wanted)));
        assert_eq!(library.begin_upload(&upload("u"), 0, 8).await, Err(Error::Taken));
        assert_eq!(library.upload("none").await, Ok(None));
        let huge = NewUpload { length: Some(u64::MAX), ..upload("h") };
        assert!(matches!(library.begin_upload(&huge, 0, 8).await, Err(Error::Refused { .. })));
    });
}

#[test]
fn who_took_it_last_writes_and_nobody_else() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&upload("u"), 0, 0).await.unwrap();
        let before = library.take_upload("u", 1).await.unwrap().unwrap();
        let first = before.epoch;
        assert!(
            library.advance_upload(&Upload { expires: 11_000, ..row_at("u", first, 40, "part 1") }, 2).await.unwrap()
        );
        let second = library.take_upload("u", 3).await.unwrap().unwrap();
        assert_eq!((second.offset, second.saved.as_str(), second.expires), (40, "part 1", 11_000));
        assert!(!library.advance_upload(&row_at("u", first, 60, "part 2"), 4).await.unwrap());
        assert!(!library.reserve_upload_length(&before, 100, 0, 4).await.unwrap());
        assert_eq!(library.receive_upload(&row_at("u", first, 100, ""), &job("j"), 4).await, Ok(None));
        assert_eq!(library.upload("u").await.unwrap().unwrap(), second);
        assert_eq!(library.job("j").await, Ok(None));
        assert!(
            library
                .advance_upload(&Upload { expires: 12_000, ..row_at("u", second.epoch, 60, "part 2") }, 5)
                .await
                .unwrap()
        );
    });
}

#[test]
fn each_of_many_that_take_it_at_once_has_an_epoch_of_its_own() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await];
        handles[0].begin_upload(&upload("u"), 0, 0).await.unwrap();
        let mut takers = JoinSet::new();
        for number in 0..16 {
            let library = handles[number % 2].clone();
            takers.spawn(async move {
                let epoch = library.take_upload("u", 1).await.unwrap().unwrap().epoch;
                (epoch, library.advance_upload(&row_at("u", epoch, 1, ""), 1).await.unwrap())
            });
        }
        let mut epochs = takers.join_all().await;
        epochs.sort_unstable();
        assert_eq!(epochs.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), (1..=16).collect::<Vec<_>>());
        assert_eq!(epochs.last(), Some(&(16, true)));
    });
}

#[test]
fn the_offset_never_goes_back_nor_past_the_end() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&NewUpload { length: None, ..upload("u") }, 0, 0).await.unwrap();
        assert!(library.advance_upload(&row_at("u", 0, 50, "a"), 1).await.unwrap());
        assert!(!library.advance_upload(&row_at("u", 0, 49, "b"), 1).await.unwrap());
        assert!(library.advance_upload(&row_at("u", 0, 50, "c"), 1).await.unwrap());
        let row = library.upload("u").await.unwrap().unwrap();
        assert!(!library.reserve_upload_length(&row, 49, 0, 1).await.unwrap());
        assert!(library.reserve_upload_length(&row, 60, 0, 1).await.unwrap());
        assert!(library.reserve_upload_length(&row, 60, 0, 1).await.unwrap());
        assert!(!library.reserve_upload_length(&row, 70, 0, 1).await.unwrap());
        assert!(matches!(library.advance_upload(&row_at("u", 0, 61, "d"), 1).await, Err(Error::Refused { .. })));
        let now = library.upload("u").await.unwrap().unwrap();
        assert_eq!((now.offset, now.length, now.saved.as_str()), (50, Some(60), "c"));
    });
}

#[test]
fn a_length_that_was_not_known_is_said_with_the_last_bytes() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for (id, length) in [("open", None), ("said", Some(100))] {
            library.begin_upload(&NewUpload { length, ..upload(id) }, 0, 0).await.unwrap();
        }
        assert_eq!(library.receive_upload(&row_at("said", 0, 60, ""), &job("no"), 1).await, Ok(None));
        assert!(library.receive_upload(&row_at("open", 0, 60, ""), &job("j"), 1).await.unwrap().is_some());
        let row = library.upload("open").await.unwrap().unwrap();
        assert_eq!((row.offset, row.length, row.state), (60, Some(60), UploadState::Received));
    });
}

#[test]
fn to_receive_it_and_to_queue_its_job_is_one_thing() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&upload("u"), 0, 0).await.unwrap();
        // The job is invalid, so the upload is not received either.
        let wrong = NewJob { max_attempts: 0, ..job("j") };
        assert!(library.receive_upload(&row_at("u", 0, 100, "all"), &wrong, 1).await.is_err());
        assert_eq!(library.upload("u").await.unwrap().unwrap().state, UploadState::Receiving);
        assert_eq!(library.receive_upload(&row_at("u", 0, 100, "all"), &job("j"), 2).await, Ok(Some("j".into())));
        let received = library.upload("u").await.unwrap().unwrap();
        assert_eq!((received.state, received.offset, received.saved.as_str()), (UploadState::Received, 100, "all"));
        assert_eq!(library.job("j").await.unwrap().unwrap().state, JobState::Queued);
        // A repeat after a lost response.
        assert_eq!(library.receive_upload(&row_at("u", 0, 100, "all"), &job("j2"), 3).await, Ok(Some("j".into())));
        assert_eq!(library.job("j2").await, Ok(None));
        assert_eq!(library.receive_upload(&row_at("u", 1, 100, "all"), &job("j2"), 3).await, Ok(None));
        // Nobody can write to it any more.
        assert_eq!(library.take_upload("u", 4).await, Ok(None));
        assert_eq!(library.advance_upload(&row_at("u", 0, 100, ""), 4).await, Ok(false));
        library.cancel_job("j", 5).await.unwrap();
        library.forget_jobs(6).await.unwrap();
        assert_eq!(library.receive_upload(&row_at("u", 0, 100, "all"), &job("j2"), 7).await, Ok(None));
    });
}

#[test]
fn it_is_settled_once_from_where_it_is() {
    on_each_engine(async |url| {
        use UploadState::{Cancelled, Published, Received, Refused};
        let library = open(url).await;
        library.begin_upload(&upload("u"), 0, 0).await.unwrap();
        let plain = Settlement::plain;
        assert!(!library.settle_upload("u", plain(Received, Published), 1).await.unwrap());
        library.receive_upload(&row_at("u", 0, 100, ""), &job("j"), 1).await.unwrap();
        let report = Some("{\"codec\":\"avc1\"}");
        assert!(library.settle_upload("u", Settlement { report, ..plain(Received, Received) }, 2).await.unwrap());
        assert!(
            library
                .settle_upload("u", Settlement { reason: Some("no video"), ..plain(Received, Refused) }, 3)
                .await
                .unwrap()
        );
        assert!(!library.settle_upload("u", plain(Received, Cancelled), 4).await.unwrap());
        let settled = library.upload("u").await.unwrap().unwrap();
        assert_eq!((settled.state, settled.reason.as_deref()), (Refused, Some("no video")));
        assert_eq!((settled.report.as_deref(), settled.updated), (report, 3));
    });
}

#[test]
fn what_is_open_counts_and_what_expires_is_found() {
    on_each_engine(async |url| {
        let library = open(url).await;
        let taken = async || 1_000 - library.upload_room("", 1_000).await.unwrap();
        assert_eq!(taken().await, 0);
        for (id, length, expires) in [("a", Some(100), 30), ("b", None, 20), ("c", Some(7), 10), ("d", Some(1), 99)] {
            library.begin_upload(&NewUpload { length, expires, ..upload(id) }, 0, 0).await.unwrap();
        }
        assert!(library.advance_upload(&Upload { expires: 20, ..row_at("b", 0, 50, "") }, 1).await.unwrap());
        assert_eq!(taken().await, 158);
        library.receive_upload(&row_at("c", 0, 7, ""), &job("j"), 1).await.unwrap();
        assert_eq!(taken().await, 158);
        let expired = library.expired_uploads(30, 10).await.unwrap();
        assert_eq!(expired.iter().map(|upload| upload.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(library.expired_uploads(30, 1).await.unwrap().len(), 1);
        let cancelled = Settlement::plain(UploadState::Receiving, UploadState::Cancelled);
        library.settle_upload("a", cancelled, 2).await.unwrap();
        assert!(library.delete_upload("b").await.unwrap());
        assert!(!library.delete_upload("b").await.unwrap());
        assert_eq!(taken().await, 8);
        assert_eq!(library.forget_uploads(2).await, Ok(0));
        assert_eq!(library.forget_uploads(3).await, Ok(1));
        assert_eq!(library.upload("a").await, Ok(None));
        assert!(library.upload("c").await.unwrap().is_some());
    });
}

#[test]
fn pages_give_each_upload_once_while_others_come_and_go() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for number in 0..30 {
            library.begin_upload(&upload(&format!("u{number:02}")), 0, number / 4).await.unwrap();
        }
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let page = library.uploads(Some(UploadState::Receiving), after.as_deref(), 4, &[]).await.unwrap();
            let Some(last) = page.last() else {
                break;
            };
            // The row that the place refers to may vanish.
            after = Some(last.place());
            assert!(library.delete_upload(&last.id).await.unwrap());
            library.begin_upload(&upload(&format!("new{}", walked.len())), 0, 100).await.unwrap();
            walked.extend(page.into_iter().map(|upload| upload.id));
        }
        let wanted: Vec<String> = (0..30).rev().map(|number| format!("u{number:02}")).collect();
        assert_eq!(walked, wanted);
        assert_eq!(library.uploads(Some(UploadState::Published), None, 4, &[]).await, Ok(vec![]));
    });
}

#[test]
fn who_hangs_up_in_the_middle_leaves_nothing_half_done() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for number in 0..60_u64 {
            let id = format!("u{number}");
            library.begin_upload(&upload(&id), 0, 0).await.unwrap();
            let receiving = library.clone();
            let receiver = tokio::spawn(async move {
                receiving.receive_upload(&row_at(&id, 0, 100, ""), &job(&format!("j{id}")), 1).await
            });
            tokio::time::sleep(Duration::from_micros(number * 97)).await;
            receiver.abort();
        }
        // An open transaction ends with its connection.
        library.begin_upload(&upload("last"), 0, 0).await.unwrap();
        assert_eq!(
            library.receive_upload(&row_at("last", 0, 100, ""), &job("jlast"), 1).await,
            Ok(Some("jlast".into()))
        );
        for upload in library.uploads(None, None, 100, &[]).await.unwrap() {
            let job = library.job(&format!("j{}", upload.id)).await.unwrap();
            assert_eq!(job.is_some(), upload.state == UploadState::Received, "{}", upload.id);
        }
    });
}

#[test]
fn a_quota_is_taken_once_however_many_begin_at_a_time() {
    on_each_engine(async |url| {
        let handles = [open(url).await, open(url).await];
        let row = AssetRow { bytes: 37, ..asset("film") };
        handles[0].put_asset(&row, 0).await.unwrap();
        let mut beginning = JoinSet::new();
        for number in 0..12 {
            let library = handles[number % 2].clone();
            beginning.spawn(async move { library.begin_upload(&upload(&format!("u{number}")), 637, 1).await });
        }
        let begun = beginning.join_all().await;
        let over = Err(Error::Quota { bytes: 737, limit: 637 });
        assert_eq!(begun.iter().filter(|begun| **begun == Ok(())).count(), 6);
        assert_eq!(begun.iter().filter(|begun| **begun == over).count(), 6);
        assert_eq!(handles[0].upload_room("", 637).await, Ok(0));
    });
}

#[test]
fn what_comes_without_a_length_takes_of_the_quota_as_it_comes_and_counts_once() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&upload("known"), 300, 0).await.unwrap();
        library.begin_upload(&NewUpload { length: None, ..upload("late") }, 300, 0).await.unwrap();
        let at = async |offset| Upload { offset, ..library.upload("late").await.unwrap().unwrap() };
        assert_eq!(library.advance_upload_within(&at(150).await, 300, 1).await, Ok(true));
        let over = Error::Quota { bytes: 301, limit: 300 };
        assert_eq!(library.advance_upload_within(&at(201).await, 300, 1).await, Err(over.clone()));
        assert_eq!(library.upload("late").await.unwrap().unwrap().offset, 150);
        // 150 of its bytes are stored: they must not count twice and refuse the 200 that fit.
        let row = library.upload("late").await.unwrap().unwrap();
        assert_eq!(library.reserve_upload_length(&row, 201, 300, 2).await.unwrap_err(), over);
        assert_eq!(library.reserve_upload_length(&row, 200, 300, 2).await, Ok(true));
        assert_eq!(library.upload("late").await.unwrap().unwrap().length, Some(200));
        assert_eq!(library.upload_room("late", 300).await, Ok(200));
        assert_eq!(library.begin_upload(&NewUpload { length: None, ..upload("more") }, 300, 3).await, over_by_one());
        // Without a quota everything fits.
        library.begin_upload(&upload("more"), 0, 3).await.unwrap();
    });
}

fn over_by_one() -> Result<(), Error> {
    Err(Error::Quota { bytes: 301, limit: 300 })
}

#[test]
fn what_is_published_counts_once() {
    on_each_engine(async |url| {
        let library = open(url).await;
        library.begin_upload(&upload("u"), 0, 0).await.unwrap();
        let row = AssetRow { bytes: 100, ..asset("film") };
        assert_eq!(library.publish_upload("u", &row, "{}", 1).await, Ok(false));
        assert_eq!(library.asset("film").await, Ok(None));
        library.receive_upload(&row_at("u", 0, 100, ""), &job("j"), 1).await.unwrap();
        assert_eq!(library.publish_upload("u", &row, "{}", 2).await, Ok(true));
        assert_eq!(library.upload_room("", 300).await, Ok(200));
        assert_eq!(library.upload("u").await.unwrap().unwrap().state, UploadState::Published);
    });
}

#[test]
fn an_upload_whose_job_is_over_is_found_and_no_other() {
    on_each_engine(async |url| {
        let library = open(url).await;
        for id in ["cancelled", "dead", "gone", "queued"] {
            library.begin_upload(&upload(id), 0, 0).await.unwrap();
            library.receive_upload(&row_at(id, 0, 100, ""), &job(&format!("job {id}")), 1).await.unwrap();
        }
        assert_eq!(library.stranded_uploads(9).await, Ok(vec![]));
        for gone in ["job cancelled", "job gone"] {
            assert!(library.cancel_job(gone, 2).await.unwrap());
        }
        let claimed = library.claim_job("w", &[JobKind::Import], LEASE, 2).await.unwrap().unwrap();
        assert_eq!(claimed.id, "job dead");
        assert!(library.fail_job(lease_of("job dead", 1, "w"), "no video", None, 3).await.unwrap());
        let found = library.stranded_uploads(9).await.unwrap();
        let stranded = |upload: &str, job, reason: Option<&str>| StrandedUpload {
            upload: upload.into(),
            job: Some(job),
            reason: reason.map(Into::into),
        };
        let mut expected = [
            stranded("cancelled", JobState::Cancelled, None),
            stranded("dead", JobState::Dead, Some("no video")),
            stranded("gone", JobState::Cancelled, None),
        ];
        assert_eq!(found, expected);
        library.forget_jobs(3).await.unwrap();
        let found = library.stranded_uploads(9).await.unwrap();
        (expected[0].job, expected[2].job) = (None, None);
        assert_eq!(found, expected);
    });
}
