//! Uploads: a film of 256 MiB by one PUT, compared with nginx (WebDAV) on the same bytes, in turns; and the memory held
//! for many unfinished uploads.
//!
//! nginx writes and answers 201; Afflux makes the bytes durable (fsync), reads the film, publishes it and then answers
//! 201. Both write to the same file system. Figures, not assertions; a wrong response fails the run. `cargo bench
//! --bench upload`; `benches/setup.sh` installs nginx.

#![allow(
    missing_docs,
    dead_code,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a bench's numbers are small, and a panic anywhere fails it"
)]

#[path = "spike/process.rs"]
mod process;
#[path = "spike/table.rs"]
mod table;

use process::Process;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use table::Table;

/// Size of the film, in bytes.
const BYTES: usize = 256 << 20;

/// Turns.
const TURNS: usize = 7;

/// Number of simultaneous unfinished uploads.
const OPEN: usize = 100;

/// Bytes sent of each.
const PART: usize = 4 << 20;

/// A server that runs until it is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    key: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // TERM, as a killed nginx would leave its worker behind.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

impl Server {
    fn afflux(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_afflux"));
        let child = child.args(["serve", "--listen", "127.0.0.1:0", "--private", "127.0.0.1:0", "--media"]).arg(folder);
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut said = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
        let (_, private, key) = (said("public http://"), said("private http://"), said("key "));
        Self { child, address: private.parse().unwrap(), key }
    }

    fn nginx(folder: &Path) -> Self {
        fs::create_dir_all(folder.join("media")).unwrap();
        fs::create_dir_all(folder.join("temporary")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "daemon off; user root; worker_processes 1; pid nginx.pid; error_log error.log crit;
            events {{ worker_connections 1024; }}
            http {{ access_log off; client_max_body_size 0; client_body_temp_path temporary/body;
                proxy_temp_path temporary/p; fastcgi_temp_path temporary/f; uwsgi_temp_path temporary/u;
                scgi_temp_path temporary/s;
                server {{ listen {address}; root media; dav_methods PUT; create_full_put_path on; }} }}"
        );
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
        let mut command = Command::new(program);
        let child = command.args(["-e", "error.log", "-c", "nginx.conf", "-p"]).arg(folder).spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "nginx does not start");
        }
        Self { child, address, key: String::new() }
    }

    /// Seconds of processor time, including its workers'.
    fn seconds(&self) -> f64 {
        let own = Process(self.child.id());
        own.seconds() + own.children().into_iter().map(Process::seconds).sum::<f64>()
    }

    /// PUTs `file` to `path`; returns wall time and processor time in seconds.
    fn put(&self, file: &Path, path: &str) -> (f64, f64) {
        let (before, began) = (self.seconds(), Instant::now());
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Expect:", "-T"]).arg(file);
        curl.args(["-H", &format!("Authorization: Bearer {}", self.key)]).arg(format!("http://{}{path}", self.address));
        let done = curl.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "201", "{path}");
        (began.elapsed().as_secs_f64(), self.seconds() - before)
    }
}

fn main() {
    if !std::env::args().any(|flag| flag == "--bench") {
        println!("upload: nothing is measured unless `cargo bench` asks for it");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let film = film(root.path());
    let afflux = Server::afflux(&root.path().join("afflux"));
    let nginx = Server::nginx(&root.path().join("nginx"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        ours.push(afflux.put(&film, &format!("/api/assets/film-{turn}/files/film.mp4")));
        theirs.push(nginx.put(&film, &format!("/film-{turn}.mp4")));
        fs::remove_dir_all(root.path().join("nginx/media")).unwrap();
        fs::create_dir_all(root.path().join("nginx/media")).unwrap();
    }
    let mut table = Table::new(["a film of 256 MiB by PUT", "MB/s", "CPU s/GB", "CPU ÷ nginx"]);
    let base = median(&theirs, |turn| turn.1);
    for (name, turns) in [("Afflux: durable and published", &ours), ("nginx: written", &theirs)] {
        let rate = BYTES as f64 / 1e6 / median(turns, |turn| turn.0);
        let processor = median(turns, |turn| turn.1);
        let per = processor / (BYTES as f64 / 1e9);
        table.row(vec![name.into(), format!("{rate:.0}"), format!("{per:.2}"), format!("{:.2}", processor / base)]);
    }
    println!("\n{}", table.text());
    println!("{OPEN} unfinished uploads at once: {} KiB for each", memory(&afflux) / OPEN as u64 / 1_024);
}

/// The median of `of` over all turns.
fn median(turns: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut all: Vec<f64> = turns.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// A film made long by a `free` box.
fn film(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/media/natural/352p.mp4");
    let mut bytes = fs::read(source).unwrap();
    let free = BYTES - bytes.len();
    bytes.extend((free as u32).to_be_bytes());
    bytes.extend(b"free");
    bytes.resize(BYTES, 7);
    let path = folder.join("film.mp4");
    fs::write(&path, bytes).unwrap();
    path
}

/// Bytes by which the server grows while many uploads are half done.
fn memory(server: &Server) -> u64 {
    let process = Process(server.child.id());
    let before = process.memory();
    let part = vec![7; PART];
    let open: Vec<TcpStream> = (0..OPEN).map(|at| half(server, at, &part)).collect();
    std::thread::sleep(Duration::from_secs(2));
    let after = process.memory();
    drop(open);
    after.saturating_sub(before)
}

/// An upload that has sent half of its bytes.
fn half(server: &Server, at: usize, part: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).unwrap();
    let (length, key) = (2 * part.len(), &server.key);
    let head = format!(
        "PUT /api/assets/open-{at}/files/film.mp4 HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(part).unwrap();
    stream
}
