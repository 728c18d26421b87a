//! A server that accepts uploads, and upload clients.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]
#![allow(clippy::as_conversions, clippy::cast_possible_truncation, reason = "a test's numbers are small")]
#![allow(clippy::unused_self, reason = "a desk is asked, whether it is needed for the answer or not")]
#![allow(clippy::case_sensitive_file_extension_comparisons, reason = "it is we who print them")]

use super::support::bucket::{BUCKET, Bucket, SECRET};
use super::support::{Client, Server, afflux, fixtures};
use serde_json::Value;
use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::rc::Rc;
use tempfile::TempDir;

/// A small film, for repeated uploads.
pub(crate) fn film() -> PathBuf {
    fixture("natural/352p.mp4")
}

/// Path of a fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let path = fixtures().join(name);
    assert!(path.is_file(), "{name}");
    path
}

/// A response of the API.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    headers: HashMap<String, String>,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Told {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).cloned()
    }
}

/// A server with its own folder and library.
#[derive(Debug)]
pub(crate) struct Desk {
    place: Rc<Place>,
    settings: String,
    pub(crate) server: Server,
    pub(crate) key: String,
}

/// Location of media and library.
#[derive(Debug)]
struct Place {
    root: TempDir,
    /// The S3 server that presents the media, if the test runs on S3.
    bucket: Option<Bucket>,
    library: String,
}

impl Place {
    fn args(&self) -> Vec<String> {
        let store = match &self.bucket {
            Some(_) => ["--store".into(), format!("s3://{BUCKET}")],
            None => ["--media".into(), self.root.path().join("media").display().to_string()],
        };
        [&store[..], &["--library".into(), self.library.clone()]].concat()
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        self.bucket.iter().flat_map(|bucket| bucket.environment(SECRET)).collect()
    }

    fn start(&self, settings: &str, ports: Option<(SocketAddr, SocketAddr)>) -> Server {
        let args = self.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        Server::start_taking(&args, settings, &self.environment(), ports)
    }
}

/// A disk in memory, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    fn mount(place: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let made = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(place).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Self(place.into()));
        }
        eprintln!("left out: no tmpfs may be mounted here");
        None
    }

    /// Changes its size.
    pub(crate) fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A worker, killed when dropped.
#[derive(Debug)]
pub(crate) struct Worker(pub(crate) Child);

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    pub(crate) fn with(settings: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let library = format!("sqlite:{}", root.path().join("library.db").display());
        Self::at(Place { root, bucket: None, library }, settings)
    }

    /// A server on a disk of `size` bytes, in the notation of `mount`; `None`, with a message, if mounting is not
    /// allowed.
    pub(crate) fn on_disk_of(size: &str) -> Option<(Self, Disk)> {
        let root = tempfile::tempdir().unwrap();
        let media = root.path().join("media");
        std::fs::create_dir(&media).unwrap();
        let disk = Disk::mount(&media, size)?;
        let library = format!("sqlite:{}", root.path().join("library.db").display());
        Some((Self::at(Place { root, bucket: None, library }, ""), disk))
    }

    /// Like `on_disk_of`, with the library on that disk too.
    pub(crate) fn all_on_disk_of(size: &str) -> Option<(Self, Disk)> {
        let root = tempfile::tempdir().unwrap();
        let media = root.path().join("media");
        std::fs::create_dir(&media).unwrap();
        let disk = Disk::mount(&media, size)?;
        let library = format!("sqlite:{}", media.join("library.db").display());
        Some((Self::at(Place { root, bucket: None, library }, ""), disk))
    }

    /// A server over a bucket, with the library at `library`.
    pub(crate) fn far(library: &str, settings: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("media")).unwrap();
        let bucket = Some(Bucket::over(&root.path().join("media")));
        Self::at(Place { root, bucket, library: library.into() }, settings)
    }

    fn at(place: Place, settings: &str) -> Self {
        // The folder already exists if a bucket presents it.
        let _ = std::fs::create_dir(place.root.path().join("media"));
        let server = place.start(settings, None);
        let key = server.key.clone();
        assert!(key.starts_with("afx_"), "{key}");
        Self { place: Rc::new(place), settings: settings.into(), server, key }
    }

    /// Another server over the same store and library.
    pub(crate) fn beside(&self, settings: &str) -> Self {
        let server = self.place.start(settings, None);
        assert_eq!(server.key, "", "the first key must be made only once");
        Self { place: Rc::clone(&self.place), settings: settings.into(), server, key: self.key.clone() }
    }

    /// Another server, started while the library is unreachable.
    pub(crate) fn starting_late(&self) -> Self {
        let server = self.place.start(&self.settings, None);
        Self { place: Rc::clone(&self.place), settings: self.settings.clone(), server, key: self.key.clone() }
    }

    /// Makes the bucket hang up on everybody if `away`; otherwise it serves again.
    pub(crate) fn bucket_goes(&self, away: bool) {
        self.place.bucket.as_ref().unwrap().goes(away);
    }

    /// PUTs a file to a signed URL of the store.
    pub(crate) fn put_elsewhere(&self, url: &str, file: &Path) {
        let done = Command::new("curl").args(["-sS", "-f", "-T"]).arg(file).arg(url).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// A worker on the same store and library.
    pub(crate) fn worker(&self) -> Worker {
        let args = self.place.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let file = self.place.root.path().join("worker.toml");
        std::fs::write(&file, &self.settings).unwrap();
        let mut command = afflux(&[&["worker", "--jobs", "2", "--config", file.to_str().unwrap()], &args[..]].concat());
        let child = command.envs(self.place.environment()).stderr(Stdio::inherit()).spawn();
        Worker(child.unwrap())
    }

    pub(crate) fn media(&self) -> PathBuf {
        self.place.root.path().join("media")
    }

    /// Kills the server, like a power cut.
    pub(crate) fn kill(&mut self) {
        self.server.child.kill().unwrap();
        self.server.child.wait().unwrap();
    }

    /// Starts the server again on the same ports.
    pub(crate) fn start(&mut self) {
        self.server = self.place.start(&self.settings, Some((self.server.public, self.server.private)));
    }

    /// Staged files of uploads.
    pub(crate) fn staged(&self) -> Vec<PathBuf> {
        let (mut found, mut folders) = (Vec::new(), vec![self.media().join(".staging")]);
        while let Some(folder) = folders.pop() {
            // A bucket has no folders: an empty one is the S3 server's own.
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
            }
        }
        found
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.private)
    }

    /// Runs curl with these arguments; returns the response.
    pub(crate) fn curl(&self, args: &[&str], path: &str) -> Told {
        self.curl_as(&self.key, args, path, &[])
    }

    /// Like `curl`, at another listener.
    pub(crate) fn curl_at(&self, listener: SocketAddr, args: &[&str], path: &str) -> Told {
        self.curl_to(listener, &self.key, args, (path, &[]))
    }

    /// Address of the listener that accepts only uploads.
    pub(crate) fn uploads(&self) -> SocketAddr {
        self.server.upload.unwrap()
    }

    /// Like `curl`, without a key.
    pub(crate) fn curl_as_nobody(&self, args: &[&str], path: &str) -> Told {
        self.curl_as("", args, path, &[])
    }

    fn curl_as(&self, key: &str, args: &[&str], path: &str, body: &[u8]) -> Told {
        self.curl_to(self.server.private, key, args, (path, body))
    }

    fn curl_to(&self, listener: SocketAddr, key: &str, args: &[&str], (path, body): (&str, &[u8])) -> Told {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "60", "-H", "Expect:", "--path-as-is"]);
        if !key.is_empty() {
            command.args(["-H", &format!("Authorization: Bearer {key}")]);
        }
        command.args(args).arg(format!("http://{listener}{path}"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A server that refuses early does not read all of it.
        let _ = child.stdin.take().unwrap().write_all(body);
        parsed(&child.wait_with_output().unwrap())
    }

    pub(crate) fn ask_as(&self, key: &str, method: &str, path: &str, header: &str) -> Told {
        self.curl_as(key, &["-X", method, "-H", header], path, &[])
    }

    pub(crate) fn ask(&self, method: &str, path: &str, header: &str) -> Told {
        self.ask_as(&self.key, method, path, header)
    }

    pub(crate) fn get(&self, path: &str) -> Told {
        self.curl(&[], path)
    }

    pub(crate) fn send(&self, method: &str, path: &str, json: &Value) -> Told {
        self.curl(&["-X", method, "-H", "Content-Type: application/json", "-d", &json.to_string()], path)
    }

    pub(crate) fn post(&self, path: &str, json: &Value) -> Told {
        self.send("POST", path, json)
    }

    /// Creates an upload; returns the response.
    pub(crate) fn create(&self, length: u64, name: &str, asset: Option<&str>) -> Told {
        let said: Vec<(&str, &str)> = asset.into_iter().map(|asset| ("asset", asset)).collect();
        self.create_with(length, name, &said)
    }

    /// Like `create`, with more metadata.
    pub(crate) fn create_with(&self, length: u64, name: &str, said: &[(&str, &str)]) -> Told {
        let base64 = |text: &str| self.piped(&["base64", "-w0"], text.as_bytes());
        let mut metadata = format!("Upload-Metadata: filename {}", base64(name));
        metadata.extend(said.iter().map(|(key, value)| format!(",{key} {}", base64(value))));
        let length = format!("Upload-Length: {length}");
        self.curl(&["-X", "POST", "-H", "Tus-Resumable: 1.0.0", "-H", &length, "-H", &metadata], "/api/uploads")
    }

    /// Creates an upload; returns its URL.
    pub(crate) fn begin_upload(&self, length: u64, name: &str, asset: Option<&str>) -> String {
        let created = self.create(length, name, asset);
        assert_eq!(created.status, 201, "{}", created.text);
        format!("/api/{}", created.header("location").unwrap())
    }

    pub(crate) fn patch(&self, url: &str, offset: u64, bytes: &[u8]) -> Told {
        self.patch_with(url, offset, bytes, "X-More: none")
    }

    pub(crate) fn patch_with(&self, url: &str, offset: u64, bytes: &[u8], header: &str) -> Told {
        let offset = format!("Upload-Offset: {offset}");
        let media_type = "Content-Type: application/offset+octet-stream";
        let args = ["-X", "PATCH", "-H", "Tus-Resumable: 1.0.0", "-H", &offset, "-H", media_type, "-H", header];
        let args = [&args[..], &["--data-binary", "@-"]].concat();
        self.curl_as(&self.key, &args, url, bytes)
    }

    /// Durable offset of an upload.
    pub(crate) fn offset(&self, url: &str) -> u64 {
        let told = self.curl(&["-I", "-H", "Tus-Resumable: 1.0.0"], url);
        assert_eq!(told.status, 200, "{}", told.text);
        told.header("upload-offset").unwrap().parse().unwrap()
    }

    /// A client that announces `length` bytes, sends only `bytes` and waits.
    pub(crate) fn lingering(&self, url: &str, offset: u64, length: usize, bytes: &[u8]) -> Client {
        let mut client = Client::connect(self.server.private);
        let head = format!(
            "PATCH {url} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: \
             {offset}\r\nContent-Type: application/offset+octet-stream\r\nContent-Length: {length}\r\n\r\n",
            self.key
        );
        client.send(&head);
        client.send_bytes(bytes);
        client
    }

    /// Uploads a film by PUT.
    pub(crate) fn put(&self, asset: &str, name: &str) {
        let path = format!("/api/assets/{asset}/files/{name}");
        let put = self.curl(&["-X", "PUT", "--data-binary", &format!("@{}", film().display())], &path);
        assert_eq!(put.status, 201, "{}", put.text);
    }

    pub(crate) fn sha1(&self, bytes: &[u8]) -> String {
        let digest = self.piped(&["sh", "-c", "openssl dgst -sha1 -binary | base64 -w0"], bytes);
        digest.trim().to_owned()
    }

    fn piped(&self, command: &[&str], input: &[u8]) -> String {
        let mut child = Command::new(command[0]);
        let child = child.args(&command[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    }

    /// ffprobe's packet counts for a path on the public listener, by kind of track.
    pub(crate) fn packets(&self, path: &str) -> Vec<(String, usize)> {
        packets(&format!("http://{}{path}", self.server.public))
    }

    /// Like `packets`, for a file.
    pub(crate) fn packets_of(&self, file: &Path) -> Vec<(String, usize)> {
        packets(file.to_str().unwrap())
    }

    /// URLs of the segments that the playlists of an entry list.
    pub(crate) fn segments(&self, entry: &str) -> Vec<String> {
        let folder = entry.rsplit_once('/').unwrap().0;
        let text = |path: &str| {
            let answer = self.server.get(path, "");
            assert_eq!(answer.status, 200, "{path}");
            answer.text().to_owned()
        };
        let master = text(entry);
        let lines = master.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned);
        let named = master.split("URI=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        let mut found = Vec::new();
        for playlist in lines.chain(named).filter(|name| name.contains(".m3u8")) {
            let path = format!("{folder}/{playlist}");
            let base = path.rsplit_once('/').unwrap().0.to_owned();
            let listed = text(&path);
            found.extend(listed.lines().filter(|line| line.ends_with(".m4s")).map(|line| resolved(&base, line)));
        }
        found
    }

    /// Runs a client of `tests/clients` that uploads `file` as `asset`.
    pub(crate) fn node(&self, script: &str, file: &Path, asset: &str) {
        self.node_with(script, &self.key, file, asset);
    }

    /// Like `node`, with another key.
    pub(crate) fn node_with(&self, script: &str, key: &str, file: &Path, asset: &str) {
        self.client(Command::new("node"), (script, key), (file, asset));
    }

    /// Like `node`, in Python.
    pub(crate) fn python(&self, script: &str, file: &Path, asset: &str) {
        let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.venv/bin/python3");
        self.client(Command::new(python), (script, &self.key), (file, asset));
    }

    fn client(&self, mut program: Command, (script, key): (&str, &str), (file, asset): (&Path, &str)) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
        let done = program.arg(script).args([self.url("/api/uploads").as_str(), key]).arg(file).arg(asset).output();
        let done = done.unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{said}");
    }
}

/// Resolves `relative` against `base`.
fn resolved(base: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = base.split('/').collect();
    for part in relative.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

fn packets(input: &str) -> Vec<(String, usize)> {
    let shown = ["-show_entries", "packet=codec_type", "-of", "csv=p=0", input];
    let ignored: &[&str] = if input.starts_with("http") { &[] } else { &["-ignore_editlist", "1"] };
    let args = [&["-v", "error"], ignored, &shown].concat();
    let done = Command::new("ffprobe").args(&args).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut counts = std::collections::BTreeMap::new();
    for line in String::from_utf8(done.stdout).unwrap().lines() {
        *counts.entry(line.trim_end_matches(',').to_owned()).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// Parses the output of `curl -i`.
fn parsed(done: &Output) -> Told {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    let mut rest = text.as_str();
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            rest = body;
            continue;
        }
        let headers = lines.filter_map(|line| line.split_once(':'));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
        let json = serde_json::from_str(body).unwrap_or(Value::Null);
        return Told { status, headers, text: body.into(), json };
    }
}
