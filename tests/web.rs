//! An HTTP server as a store: nginx serves a folder, the real binary serves the folder's assets, requested by name.
//! Neither redirects nor names lead to hosts and addresses that the settings do not list.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "support/playlists.rs"]
mod playlists;
mod support;

use playlists::{all, same};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use support::{Server, afflux, fixtures};
use tempfile::TempDir;

/// Files of the asset with an `asset.json`.
const RENDITIONS: [&str; 3] = ["180p.mp4", "360p.mp4", "audio.mp4"];

/// nginx over a copy of some fixtures; stopped when dropped.
struct Nginx {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Nginx {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let media = folder.path().join("media");
        for name in ["vfr.mp4", "co64.mp4"] {
            copy(&fixtures().join(name), &media.join(name));
        }
        let described = media.join("films/described");
        for name in RENDITIONS {
            copy(&fixtures().join("barcode").join(name), &described.join(name));
        }
        let renditions: Vec<String> = RENDITIONS.iter().map(|name| format!("{{ \"file\": {name:?} }}")).collect();
        let text = format!("{{ \"version\": 1, \"renditions\": [{}] }}", renditions.join(", "));
        std::fs::write(described.join("asset.json"), text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let text = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;\n\
             events {{}}\n\
             http {{ log_format method $request_method; access_log methods method; log_not_found off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
             uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n\
             server {{ listen 127.0.0.1:{port}; root media;\n\
             location /moved/ {{ rewrite ^/moved/(.*)$ http://localhost:{port}/$1 redirect; }}\n\
             location /rangeless/ {{ alias media/; max_ranges 0; }}\n\
             location /bare/ {{ alias media/; etag off; }}\n\
             location /nothing/ {{ alias media/; etag off; add_header Last-Modified \"\"; }} }} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
        let prefix = folder.path().to_str().unwrap();
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default());
        let child = Command::new("nginx")
            .env("PATH", path)
            .args(["-e", "stderr", "-p", prefix, "-c", "nginx.conf"])
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx: bash tests/setup.sh installs it");
        let nginx = Self { child, folder, port };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port)
    }

    /// A server over nginx that allows `hosts`.
    fn served(&self, host: &str, path: &str, hosts: &[&str]) -> Server {
        let settings = format!(
            "[store]\nrefresh_remote = \"0s\"\noptions = {{ hosts = {hosts:?} }}\n[cache]\nindex_beside = true\n"
        );
        Server::start_over(&self.url(host, path), &settings, &[])
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(from, to).unwrap();
}

#[test]
fn a_web_server_serves_what_a_folder_serves() {
    let nginx = Nginx::start();
    let disk = Server::start(&nginx.folder.path().join("media"), &[]);
    for path in ["", "/bare"] {
        let far = nginx.served("127.0.0.1", path, &["127.0.0.1"]);
        assert_eq!(far.private("/readyz").status, 200, "{}", far.private("/readyz").text_lossy());
        let compared: usize =
            ["vfr", "co64", "films/described"].iter().map(|asset| same(&disk, &far, asset, true)).sum();
        assert!(compared > 30, "{compared}");
        let part = "/vod/films/described/360p/index.m3u8";
        for url in ["/vod/nothing/index.m3u8", "/vod/films/index.m3u8", part] {
            assert_eq!((disk.get(url, "").status, far.get(url, "").status), (404, 404), "{url}");
        }
        let gallery = far.get("/~gallery/assets.json", "");
        assert_eq!((gallery.status, gallery.json()["assets"].as_array().unwrap().len()), (200, 0));
    }
    std::thread::sleep(Duration::from_millis(300));
    let methods = std::fs::read_to_string(nginx.folder.path().join("methods")).unwrap();
    assert!(methods.contains("GET") && methods.lines().all(|method| matches!(method, "GET" | "HEAD")), "{methods}");
}

#[test]
fn a_replaced_file_is_a_new_version() {
    let nginx = Nginx::start();
    for path in ["", "/bare"] {
        let far = nginx.served("127.0.0.1", path, &["127.0.0.1"]);
        let media = nginx.folder.path().join("media");
        let put = |name: &str| {
            copy(&fixtures().join(name), &media.join("new"));
            std::fs::rename(media.join("new"), media.join("vfr.mp4")).unwrap();
        };
        let old = far.get("/vod/vfr/index.m3u8", "");
        // nginx reports times in seconds.
        std::thread::sleep(Duration::from_millis(1_100));
        put("co64.mp4");
        let deadline = Instant::now() + Duration::from_secs(10);
        while far.get("/vod/vfr/index.m3u8", "").body == old.body {
            assert!(Instant::now() < deadline, "the new version is not seen");
            std::thread::sleep(Duration::from_millis(50));
        }
        for url in all(&far, "/vod/vfr/index.m3u8") {
            assert_eq!(far.get(&url, "").status, 200, "{url}");
        }
        std::thread::sleep(Duration::from_millis(1_100));
        put("vfr.mp4");
    }
}

#[test]
fn names_that_are_not_there_are_asked_for_within_bounds_and_not_again() {
    let nginx = Nginx::start();
    let far = nginx.served("127.0.0.1", "", &["127.0.0.1"]);
    let asked = || {
        std::thread::sleep(Duration::from_millis(200));
        std::fs::read_to_string(nginx.folder.path().join("methods")).unwrap().lines().count()
    };
    assert_eq!(far.get("/vod/vfr/index.m3u8", "").status, 200);
    let before = asked();
    assert_eq!(far.get("/vod/none/index.m3u8", "").status, 404);
    let once = asked() - before;
    assert!((1..=6).contains(&once), "{once}");
    // A burst of a hundred is the default.
    let statuses: Vec<u16> = (0..400).map(|at| far.get(&format!("/vod/{at}/index.m3u8"), "").status).collect();
    let missed = statuses.iter().filter(|status| **status == 404).count();
    assert!(missed < 300 && statuses.contains(&429), "{missed}");
    assert!(asked() - before <= 6 * (missed + 1), "{missed}");
    // Open assets are still served.
    assert_eq!(far.get("/vod/vfr/index.m3u8", "").status, 200);
}

#[test]
fn nothing_leads_to_hosts_and_addresses_that_are_not_listed() {
    let nginx = Nginx::start();
    let refused = |host: &str, path: &str, hosts: &[&str], said: &str| {
        let far = nginx.served(host, path, hosts);
        let answer = far.get("/vod/vfr/index.m3u8", "");
        assert_eq!(answer.status, 502, "{host}{path}: {}", answer.text_lossy());
        assert!(answer.text_lossy().contains(said), "{}", answer.text_lossy());
        far
    };
    // A name with a private address, and a redirect to a host that is not listed.
    let far = refused("localhost", "", &[], "is not a public address");
    let ready = far.private("/readyz");
    assert!(ready.status == 503 && ready.text_lossy().contains("is not a public address"), "{}", ready.text_lossy());
    refused("127.0.0.1", "/moved", &["127.0.0.1"], "a redirect to localhost");
    refused("127.0.0.1", "/rangeless", &["127.0.0.1"], "Range request not supported");
    refused("127.0.0.1", "/nothing", &["127.0.0.1"], "neither ETag nor Last-Modified");
    for (host, path, hosts) in
        [("localhost", "", vec!["localhost"]), ("127.0.0.1", "/moved", vec!["127.0.0.0/8", "localhost"])]
    {
        let far = nginx.served(host, path, &hosts);
        assert_eq!(far.get("/vod/vfr/index.m3u8", "").status, 200, "{host}{path}");
    }
    // An address in the URL is checked at the start.
    let url = nginx.url("127.0.0.1", "");
    let said =
        afflux(&["serve", "--listen", "127.0.0.1:0", "--private", "127.0.0.1:0", "--store", &url]).output().unwrap();
    let told = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.code() == Some(2) && told.contains("127.0.0.1 is not a public address"), "{told}");
}
