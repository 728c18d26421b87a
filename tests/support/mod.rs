//! The real binary, started for a test, and a raw HTTP client: bytes out, bytes in.

#![allow(dead_code, reason = "each test crate uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that panics has failed")]

pub(crate) mod bucket;

use bucket::{BUCKET, Bucket, SECRET};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time a test waits for a response.
const PATIENCE: Duration = Duration::from_secs(30);

/// Port 0: the system picks a free one.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Asks until `holds`, for at most forty seconds: `event` names what must happen.
#[track_caller]
pub(crate) fn until(event: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !holds() {
        assert!(Instant::now() < end, "{event}: not within 40 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The media that tests serve.
#[must_use]
pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media")
}

/// Whether tests serve their media from an S3 server: `AFFLUX_TEST_STORE=s3`.
#[must_use]
pub(crate) fn is_on_s3() -> bool {
    match std::env::var("AFFLUX_TEST_STORE").as_deref() {
        Err(_) | Ok("" | "disk") => false,
        Ok("s3") => true,
        Ok(other) => panic!("AFFLUX_TEST_STORE is disk or s3, not {other}"),
    }
}

/// Whether to skip a test because it needs real files; prints the reason.
#[must_use]
pub(crate) fn on_disk_only(why: &str) -> bool {
    let left_out = is_on_s3();
    if left_out {
        eprintln!("left out on S3: {why}");
    }
    left_out
}

/// `afflux` with `args`, not started yet.
#[must_use]
pub(crate) fn afflux(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afflux"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// The process.
    pub child: Child,
    /// Public address, for players.
    pub public: SocketAddr,
    /// Private address, for health and metrics.
    pub private: SocketAddr,
    /// Address for uploads; `None` without a library.
    pub upload: Option<SocketAddr>,
    /// The first key, made at the first start; empty without a library.
    pub key: String,
    /// The S3 server that presents its media, if the test runs on S3.
    bucket: Option<Bucket>,
}

impl Server {
    /// Serves `media` on two free ports; new files appear at once.
    #[must_use]
    pub(crate) fn start(media: &Path, args: &[&str]) -> Self {
        Self::serving(media, "[store]\nsettle = \"0s\"\n", args)
    }

    /// Serves `media` with `settings`, the text of a config.toml.
    #[must_use]
    pub(crate) fn start_with(media: &Path, settings: &str) -> Self {
        Self::serving(media, settings, &[])
    }

    /// Serves as `args` say, `--library` among them, on the ports `public` and `private` (0: a free one), and accepts
    /// uploads.
    #[must_use]
    pub(crate) fn start_taking(
        args: &[&str],
        settings: &str,
        environment: &[(&str, String)],
        ports: Option<(SocketAddr, SocketAddr)>,
    ) -> Self {
        Self::begin_on(ports.unwrap_or((FREE, FREE)), (args, settings), environment, Stdio::inherit())
    }

    /// Serves the store at `url` with `settings` and these environment variables.
    #[must_use]
    pub(crate) fn start_over(url: &str, settings: &str, environment: &[(&str, String)]) -> Self {
        Self::begin(&["--store", url], settings, environment, Stdio::inherit())
    }

    /// Like `start_over`, with the log going to `log`.
    #[must_use]
    pub(crate) fn start_logged(url: &str, settings: &str, environment: &[(&str, String)], log: File) -> Self {
        Self::begin(&["--store", url], settings, environment, log.into())
    }

    /// Serves `media` as a folder, or as a bucket if [`is_on_s3`].
    fn serving(media: &Path, settings: &str, args: &[&str]) -> Self {
        if !is_on_s3() {
            return Self::begin(
                &[&["--media", media.to_str().unwrap()], args].concat(),
                settings,
                &[],
                Stdio::inherit(),
            );
        }
        let (bucket, url) = (Bucket::over(media), format!("s3://{BUCKET}"));
        let args = [&["--store", &url], args].concat();
        let mut server = Self::begin(&args, &far_settings(settings), &bucket.environment(SECRET), Stdio::inherit());
        server.bucket = Some(bucket);
        server
    }

    fn begin(args: &[&str], settings: &str, environment: &[(&str, String)], log: Stdio) -> Self {
        Self::begin_on((FREE, FREE), (args, settings), environment, log)
    }

    fn begin_on(
        (public, private): (SocketAddr, SocketAddr),
        (args, settings): (&[&str], &str),
        environment: &[(&str, String)],
        log: Stdio,
    ) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), settings).unwrap();
        let mut command = afflux(&["serve", "--listen", &public.to_string(), "--private", &private.to_string()]);
        // No library by default: these tests do not upload.
        if !args.contains(&"--library") {
            command.args(["--library", "none"]);
        }
        command.args(args).arg("--config").arg(file.path()).stderr(log);
        let mut child = command.envs(environment.iter().map(|(name, value)| (name, value))).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |name: &str| {
            let line = lines.next().expect("the server says where it listens").unwrap();
            line.strip_prefix(&format!("{name} http://")).expect(&line).parse().unwrap()
        };
        let (public, private) = (address("public"), address("private"));
        let (mut key, mut upload) = (String::new(), None);
        while args.contains(&"--library") {
            let line = lines.next().unwrap().unwrap();
            let Some(made) = line.strip_prefix("key ") else {
                let page = line.strip_prefix("upload http://").expect(&line);
                upload = Some(page.strip_suffix("/upload").expect(&line).parse().unwrap());
                break;
            };
            made.clone_into(&mut key);
        }
        Self { child, public, private, upload, key, bucket: None }
    }

    /// Sends a signal to the process, given by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// A connection to the public listener.
    #[must_use]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.public)
    }

    /// The response to a GET with `headers`, one per line.
    #[must_use]
    pub(crate) fn get(&self, path: &str, headers: &str) -> Answer {
        self.ask("GET", path, headers)
    }

    /// The response to any method.
    #[must_use]
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        let mut client = self.connect();
        let lines: Vec<&str> = ["Host: test"].into_iter().chain(headers.lines().map(str::trim)).collect();
        client.send(&format!("{method} {path} HTTP/1.1\r\n{}\r\n\r\n", lines.join("\r\n")));
        client.answer(method)
    }

    /// The gallery's assets, each from its detail response, sorted by name.
    #[must_use]
    pub(crate) fn assets(&self) -> Vec<serde_json::Value> {
        let (mut assets, mut query) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("/~gallery/assets.json?limit=200{query}"), "").json();
            for line in page["assets"].as_array().unwrap() {
                let Some(detail) = line["detail"].as_str() else { continue };
                let answer = self.get(&format!("/~gallery/{detail}"), "");
                // A file of a folder that is one asset, or a folder that is none.
                if answer.status != 404 {
                    assets.push(answer.json());
                }
            }
            let Some(next) = page["next"].as_str() else { return assets };
            query = format!("&after={}", next.replace('/', "%2F").replace(' ', "%20"));
        }
    }

    /// The response of the private listener.
    #[must_use]
    pub(crate) fn private(&self, path: &str) -> Answer {
        let mut client = Client::connect(self.private);
        client.send(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        client.answer("GET")
    }

    /// Value of a counter or gauge; `name` includes the labels, as `/metrics` prints it.
    #[must_use]
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.private("/metrics");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        value.expect(name)
    }
}

/// Converts settings for a folder to settings for a bucket, with the same refresh.
fn far_settings(settings: &str) -> String {
    let mut settings: toml::Table = settings.parse().unwrap();
    let store = settings.entry("store").or_insert_with(|| toml::Table::new().into()).as_table_mut().unwrap();
    let refresh = store.get("refresh").cloned().unwrap_or_else(|| "2s".into());
    store.insert("refresh_remote".into(), refresh);
    settings.to_string()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects to `address`.
    #[must_use]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends `text` unchanged.
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Sends bytes.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    /// Closes the sending side.
    pub(crate) fn finish(&self) {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Reads one whole response to a `method`.
    pub(crate) fn answer(&mut self, method: &str) -> Answer {
        let mut answer = self.head();
        let bodyless = method == "HEAD" || matches!(answer.status, 204 | 304);
        if bodyless {
            return answer;
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            self.read_chunks(&mut answer.body);
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut answer.body).unwrap();
        } else {
            self.stream.read_to_end(&mut answer.body).unwrap();
        }
        answer
    }

    /// Reads the head of a response.
    pub(crate) fn head(&mut self) -> Answer {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "closed before an answer: {lines:?}");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            lines.push(line.to_owned());
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_lowercase(), value.trim().to_owned())
        });
        Answer { status, headers: headers.collect(), body: Vec::new() }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) {
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            body.extend(&chunk[..size]);
            if size == 0 {
                return;
            }
        }
    }

    /// Reads `count` bytes.
    #[must_use]
    pub(crate) fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads to the end; `None` if the connection is reset before it.
    #[must_use]
    pub(crate) fn rest(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).ok().map(|_| bytes)
    }
}

/// A response of the server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, with its transfer coding removed.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of the only header `name`.
    #[must_use]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(each, _)| each == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        value
    }

    /// The body as text.
    #[must_use]
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as text, even if it is not UTF-8: for messages of failed tests.
    #[must_use]
    pub(crate) fn text_lossy(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}
