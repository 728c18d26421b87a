//! Azure Blob Storage, played by Azurite: the real binary serves a prefix of a container as it serves a folder, and
//! reports a wrong key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/emulator.rs"]
mod emulator;
mod support;
#[path = "support/tolerant.rs"]
mod tolerant;
#[path = "support/truth.rs"]
mod truth;

use emulator::{Emulator, fill_azure};
use support::{Server, fixtures};
use truth::Truth;

/// The account and key that every Azurite has.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server over the container of `azure` that signs with `key`.
fn served(azure: &Emulator, key: &str) -> Server {
    let options = format!("{{ endpoint = \"{}/{ACCOUNT}\", allow_http = true }}", azure.endpoint);
    let settings = format!("[store]\nrefresh_remote = \"0s\"\noptions = {options}\n");
    let environment =
        [("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.to_owned()), ("AZURE_STORAGE_ACCOUNT_KEY", key.to_owned())];
    Server::start_over("az://films/ready", &settings, &environment)
}

#[test]
fn a_container_serves_what_a_folder_serves() {
    let azure = Emulator::azure();
    fill_azure(&format!("{}/{ACCOUNT}", azure.endpoint), KEY, "films/ready", &fixtures());
    let far = served(&azure, KEY);
    assert_eq!(far.private("/readyz").status, 200);
    let disk = Server::start(&fixtures(), &[]);
    let gallery = |server: &Server| server.assets();
    assert_eq!(gallery(&far), gallery(&disk));
    let truth = Truth::of(&fixtures(), &["natural", "two-languages", "fragmented", "vfr", "moov-at-end"], &[]);
    let mut compared = 0;
    for url in truth.versioned() {
        assert!(far.get(url, "").body == truth.body(url), "{url}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn a_wrong_key_and_a_missing_container_are_told_and_nothing_else_is_served_for_them() {
    let azure = Emulator::azure();
    let wrong = KEY.replace("Eby8", "Eby9");
    for (key, said) in [(wrong.as_str(), "AuthorizationFailure"), (KEY, "ContainerNotFound")] {
        let far = served(&azure, key);
        let ready = far.private("/readyz");
        assert_eq!(ready.status, 503);
        let refused = format!("az://films/ready/: the store refuses: {said}");
        assert!(ready.text_lossy().contains(&refused), "{}", ready.text_lossy());
        let answer = far.get("/vod/vfr/index.m3u8", "");
        assert_eq!(answer.status, 502, "{}", answer.text_lossy());
        assert!(answer.text_lossy().contains(said) && !answer.text_lossy().contains(key), "{}", answer.text_lossy());
    }
}
