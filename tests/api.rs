//! The HTTP API: openapi-spec-validator checks its document, schemathesis checks its responses. Also the scopes of keys
//! and upload tokens, requests without a key, and descriptions of assets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

#[path = "support/desk.rs"]
mod desk;
mod support;

use desk::{Desk, film};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use support::{Client, Server, until};

/// A program of the tests' Python environment.
fn python(program: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(root.join("tests/.venv/bin").join(program));
    command.current_dir(root.join("tests/api"));
    command
}

/// Runs `command` and expects it to find no fault.
#[track_caller]
fn run(command: &mut Command) {
    let done = command.output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{text}");
}

#[test]
fn the_document_of_the_api_is_valid() {
    let desk = Desk::new();
    let file = desk.media().join("openapi.json");
    std::fs::write(&file, desk.get("/api/openapi.json").text).unwrap();
    run(python("openapi-spec-validator").arg(file));
}

#[test]
fn every_answer_is_as_the_document_says() {
    let desk = Desk::new();
    desk.put("films/night", "night.mp4");
    let url = format!("http://{}/api/openapi.json", desk.server.private);
    let authorization = format!("Authorization: Bearer {}", desk.key);
    run(python("schemathesis")
        .args(["run", &url, "-H", &authorization, "--warnings", "off"])
        .env("PYTHONDONTWRITEBYTECODE", "1"));
}

/// Makes a key with these scopes.
fn key(desk: &Desk, scope: &str) -> String {
    let made = desk.post("/api/keys", &json!({"name": scope, "scope": scope}));
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json["scopes"], json!(scope.split(',').collect::<Vec<_>>()));
    made.json["secret"].as_str().unwrap().to_owned()
}

/// PUTs a film; returns the status.
fn put(desk: &Desk, key: &str, asset: &str) -> u16 {
    put_with(desk, key, asset, &["--data-binary", &format!("@{}", film().display())])
}

/// PUTs one byte of a film, for requests that are refused by their head; returns the status.
fn put_in_vain(desk: &Desk, key: &str, asset: &str) -> u16 {
    let length = format!("Content-Length: {}", std::fs::metadata(film()).unwrap().len());
    put_with(desk, key, asset, &["-H", &length, "--data-binary", "x"])
}

fn put_with(desk: &Desk, key: &str, asset: &str, body: &[&str]) -> u16 {
    let path = format!("/api/assets/{asset}/files/night.mp4");
    let header = format!("Authorization: Bearer {key}");
    desk.curl_as_nobody(&[&["-X", "PUT", "-H", &header], body].concat(), &path).status
}

#[test]
fn a_key_does_what_its_scopes_say_where_they_say_it() {
    let desk = Desk::new();
    desk.put("films/night", "night.mp4");
    desk.put("other/day", "day.mp4");
    let ask = |key: &str, method: &str, path: &str| desk.ask_as(key, method, path, "X-More: none");
    let reader = key(&desk, "read:films/");
    assert_eq!(ask(&reader, "GET", "/api/assets/films/night").status, 200);
    assert_eq!(ask(&reader, "GET", "/api/assets/other/day").status, 403);
    let listed = ask(&reader, "GET", "/api/assets").json;
    assert_eq!((&listed["items"][0]["id"], &listed["items"][1]), (&json!("films/night"), &Value::Null));
    let uploads = ask(&reader, "GET", "/api/uploads").json;
    assert_eq!((&uploads["items"][0]["asset"], &uploads["items"][1]), (&json!("films/night"), &Value::Null));
    assert_eq!(ask(&reader, "GET", "/api/jobs").status, 403);
    assert_eq!(put_in_vain(&desk, &reader, "films/new"), 403);

    let uploader = key(&desk, "upload:films/");
    assert_eq!(put(&desk, &uploader, "films/new"), 201);
    assert_eq!(put_in_vain(&desk, &uploader, "other/new"), 403);
    // The key may create assets, but not change any.
    assert_eq!(put_in_vain(&desk, &uploader, "films/night"), 409);
    for (method, path) in [
        ("GET", "/api/assets"),
        ("GET", "/api/uploads"),
        ("DELETE", "/api/assets/films/new"),
        ("GET", "/api/keys"),
        ("GET", "/api/jobs"),
    ] {
        assert_eq!(ask(&uploader, method, path).status, 403, "{method} {path}");
    }
    // It does not see uploads of other keys, but sees its own.
    let others = uploads["items"][0]["id"].as_str().unwrap();
    assert_eq!(ask(&uploader, "GET", &format!("/api/uploads/{others}")).status, 404);
    assert_eq!(ask(&uploader, "DELETE", &format!("/api/uploads/{others}")).status, 404);
    let own = desk.get("/api/uploads").json["items"][0].clone();
    assert_eq!(own["asset"], "films/new");
    assert_eq!(ask(&uploader, "GET", &format!("/api/uploads/{}", own["id"].as_str().unwrap())).status, 200);

    // Nor may it change an asset without naming it, whatever `on_conflict` says.
    desk.put("night", "night.mp4");
    let header = format!("Authorization: Bearer {}", key(&desk, "upload"));
    let metadata = "Upload-Metadata: filename bmlnaHQubXA0,on_conflict cmVwbGFjZQ==";
    let args = ["-X", "POST", "-H", &header, "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Length: 9", "-H", metadata];
    assert_eq!(desk.curl_as_nobody(&args, "/api/uploads").status, 409);

    let writer = key(&desk, "write:films/,read:other/");
    assert_eq!(put(&desk, &writer, "films/night"), 200);
    assert_eq!(ask(&writer, "DELETE", "/api/assets/films/new").status, 200);
    assert_eq!(ask(&writer, "DELETE", "/api/assets/other/day").status, 403);
    assert_eq!(ask(&writer, "GET", "/api/assets/other/day").status, 200);
    assert_eq!(desk.post("/api/keys", &json!({"name": "x", "scope": "admin:films/"})).status, 422);
}

/// Makes a token for an upload; returns the token and its id.
fn token(desk: &Desk, wanted: &Value) -> (String, String) {
    let made = desk.post("/api/upload-tokens", wanted);
    assert_eq!(made.status, 201, "{}", made.text);
    (made.json["token"].as_str().unwrap().to_owned(), made.json["id"].as_str().unwrap().to_owned())
}

#[test]
fn an_upload_token_is_good_for_one_upload_within_its_bounds() {
    let mut desk = Desk::new();
    let size = std::fs::metadata(film()).unwrap().len();
    let (small, _) = token(&desk, &json!({"asset": "visitors/small", "largest": size - 1}));
    assert_eq!(put_in_vain(&desk, &small, "visitors/small"), 413);
    let (sound, _) = token(&desk, &json!({"asset": "visitors/sound", "types": ["m4a"]}));
    assert_eq!(put_in_vain(&desk, &sound, "visitors/sound"), 415);

    let (one, id) = token(&desk, &json!({"asset": "visitors/one", "largest": size, "types": ["mp4"]}));
    assert_eq!(put_in_vain(&desk, &one, "visitors/other"), 403);
    for (method, path) in [
        ("GET", "/api/assets"),
        ("GET", "/api/uploads"),
        ("DELETE", "/api/assets/visitors/one"),
        ("POST", "/api/upload-tokens"),
        ("POST", "/api/imports"),
    ] {
        assert_eq!(desk.ask_as(&one, method, path, "X-More: none").status, 403, "{method} {path}");
    }
    // The token survives a restart of the server, and refused requests do not use it up.
    desk.kill();
    desk.start();
    assert_eq!(put(&desk, &one, "visitors/one"), 201);
    assert_eq!(put_in_vain(&desk, &one, "visitors/one"), 403);
    assert_eq!(desk.packets("/vod/visitors/one/index.m3u8"), desk.packets_of(&film()));
    assert_eq!(desk.ask("DELETE", &format!("/api/upload-tokens/{id}"), "X-More: none").status, 204);
    assert_eq!(put_in_vain(&desk, &one, "visitors/one"), 401);

    // A token loses its worth with the key that made it.
    let made = desk.post("/api/keys", &json!({"name": "site", "scope": "upload:visitors/"})).json;
    let page = format!("Authorization: Bearer {}", made["secret"].as_str().unwrap());
    let media_type = "Content-Type: application/json";
    let ask = |asset: &str| {
        let body = json!({"asset": asset}).to_string();
        desk.curl_as_nobody(&["-X", "POST", "-H", &page, "-H", media_type, "-d", &body], "/api/upload-tokens")
    };
    assert_eq!(ask("films/night").status, 403);
    let two = ask("visitors/two").json["token"].as_str().unwrap().to_owned();
    assert_eq!(desk.ask("DELETE", &format!("/api/keys/{}", made["id"].as_str().unwrap()), "X-More: none").status, 204);
    assert_eq!(put_in_vain(&desk, &two, "visitors/two"), 401);
}

#[test]
fn a_visitors_page_uploads_by_tus_with_a_token() {
    let desk = Desk::new();
    let (token, _) = token(&desk, &json!({"asset": "visitors/by-tus"}));
    desk.node_with("token.mjs", &token, &film(), "");
    assert_eq!(desk.packets("/vod/visitors/by-tus/index.m3u8"), desk.packets_of(&film()));
}

#[test]
fn whoever_has_no_key_is_answered_before_a_body_arrives() {
    let desk = Desk::new();
    let begin = |method: &str, path: &str, more: &str| {
        let mut client = Client::connect(desk.server.private);
        client.send(&format!("{method} {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n{more}\r\n{{"));
        client
    };
    let json = "Content-Type: application/json\r\n";
    let bytes = "Content-Type: application/offset+octet-stream\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n";
    for (method, path, more) in [
        ("POST", "/api/keys", json),
        ("POST", "/api/upload-tokens", json),
        ("POST", "/api/imports", json),
        ("POST", "/api/direct", json),
        ("PATCH", "/api/assets/a", json),
        ("PUT", "/api/assets/a/files/a.mp4", ""),
        ("PATCH", "/api/uploads/a", bytes),
        ("POST", "/api/uploads", bytes),
    ] {
        assert_eq!(begin(method, path, more).answer(method).status, 401, "{method} {path}");
    }
    // More clients than the listener has room for, all at once.
    let mut clients: Vec<Client> = (0..300).map(|_| begin("POST", "/api/keys", json)).collect();
    assert_eq!(desk.server.private("/healthz").status, 200);
    assert!(clients.iter_mut().all(|client| client.answer("POST").status == 401));
}

#[test]
fn people_describe_assets_and_find_them_by_that() {
    let desk = Desk::new();
    desk.put("films/night", "night.mp4");
    let segments = desk.segments("/vod/films/night/index.m3u8");
    let change = json!({"title": "Die Nacht", "description": "Two lines\nof text", "tags": ["night", "Übung"],
        "language": "de", "custom": {"shelf": "A 7", "old": "x"}});
    let changed = desk.send("PATCH", "/api/assets/films/night", &change);
    assert_eq!(changed.status, 200, "{}", changed.text);
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(changed.json[field], *value, "{field}");
        assert_eq!(desk.get("/api/assets/films/night").json[field], *value, "{field}");
    }
    for word in ["die%20nacht", "of%20text", "%C3%BCbung", "a%207"] {
        let found = desk.get(&format!("/api/assets?search={word}")).json;
        assert_eq!(found["items"][0]["id"], "films/night", "{word}");
    }
    // The gallery shows the description, and all media URLs stay the same.
    let shown = desk.server.assets()[0].clone();
    assert_eq!((&shown["title"], &shown["tags"]), (&json!("Die Nacht"), &change["tags"]));
    assert_eq!(desk.segments("/vod/films/night/index.m3u8"), segments);
    // A field that is not named stays; one that is null is removed; a second file changes no field.
    let less = json!({"description": null, "custom": {"old": null}});
    let left = desk.send("PATCH", "/api/assets/films/night", &less).json;
    assert_eq!((&left["title"], &left["custom"]), (&json!("Die Nacht"), &json!({"shelf": "A 7"})));
    assert_eq!(left["description"], Value::Null);
    for wrong in [json!({"title": ""}), json!({"tags": [1]}), json!({"language": "no language"}), json!({"name": "x"})]
    {
        let answer = desk.send("PATCH", "/api/assets/films/night", &wrong);
        assert_eq!((answer.status, &answer.json["type"]), (422, &json!("urn:afflux:problem:bad-field")), "{wrong}");
    }
    // The description survives a deletion.
    desk.ask("DELETE", "/api/assets/films/night", "X-More: none");
    let back = desk.send("PATCH", "/api/assets/films/night", &json!({"deleted": false, "tags": ["back"]})).json;
    assert_eq!((&back["title"], &back["tags"]), (&json!("Die Nacht"), &json!(["back"])));
}

#[test]
fn a_loose_file_is_described_found_and_shown_on_every_server_of_its_library() {
    let settings = "[store]\nsettle = \"0s\"\n";
    let desk = Desk::with(settings);
    // Renamed into place: no server may see half of it.
    std::fs::copy(film(), desk.media().join(".loose")).unwrap();
    std::fs::rename(desk.media().join(".loose"), desk.media().join("loose.mp4")).unwrap();
    let other = desk.beside(settings);
    let found = |server: &Server, word: &str| {
        let page = server.get(&format!("/~gallery/assets.json?q={word}"), "").json();
        page["assets"].as_array().unwrap().iter().map(|line| line["title"].clone()).collect::<Vec<_>>()
    };
    until("it is there", || found(&other.server, "loose") == [json!("loose")]);
    let changed = desk.send("PATCH", "/api/assets/loose", &json!({"title": "Die Nacht", "tags": ["dark"]}));
    assert_eq!(changed.status, 200, "{}", changed.text);
    for server in [&desk.server, &other.server] {
        until("the title is known", || found(server, "nacht") == [json!("Die Nacht")]);
        // Opening it takes nothing of that away.
        assert_eq!(server.get("/vod/loose/index.m3u8", "").status, 200);
        let shown = server.assets()[0].clone();
        assert_eq!((&shown["title"], &shown["tags"]), (&json!("Die Nacht"), &json!(["dark"])));
        assert_eq!(found(server, "nacht"), [json!("Die Nacht")]);
    }
    assert_eq!(desk.send("PATCH", "/api/assets/loose", &json!({"title": null, "tags": null})).status, 200);
    for server in [&desk.server, &other.server] {
        until("the title is gone", || found(server, "loose") == [json!("loose")]);
    }
    assert!(!desk.media().join("loose").exists());
}

#[test]
fn what_a_client_says_oddly_of_its_file_refuses_nothing() {
    let desk = Desk::new();
    let create = |metadata: &str, more: &str, path: &str| {
        let metadata = format!("Upload-Metadata: {metadata}");
        let head = ["-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H", "Upload-Length: 10", "-H"];
        desk.curl(&[&head[..], &[&metadata, "-H", more]].concat(), path)
    };
    // `bad` is not Base64, `name` appears twice, `filename` is `../a<BEL>.mp4`.
    let odd = "bad *,name eA==,name eQ==,filename Li4vYQcubXA0,title IAdUIA==";
    let created = create(odd, "X-More: none", "/api/uploads");
    assert_eq!(created.status, 201, "{}", created.text);
    // Location is relative to the request, so that any prefix of a proxy stays.
    let location = created.header("location").unwrap();
    let id = location.strip_prefix("uploads/").unwrap().to_owned();
    let slashed = create(odd, "X-More: none", "/api/uploads/").header("location").unwrap();
    assert!(!slashed.contains('/'), "{slashed}");
    let upload = desk.get(&format!("/api/uploads/{id}/"));
    assert_eq!((upload.status, &upload.json["asset"]), (200, &json!("a")));
    let part = create(odd, "Upload-Concat: partial", "/api/uploads");
    assert_eq!((part.status, &part.json["type"]), (400, &json!("urn:afflux:problem:bad-header")));
}
