//! nginx at its best, on the server's core: the same bytes as files with sendfile and without, and as a cache in front
//! of Afflux. One worker, in its own folder.

use crate::process::Process;
use rustix::process::{Pid, Signal, getuid, kill_process};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longest time for its start.
const START: Duration = Duration::from_secs(10);

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    child: Child,
    worker: Process,
    /// Files, sent by the kernel from the page cache.
    pub(crate) sendfile: SocketAddr,
    /// Files, copied through buffers of the worker.
    pub(crate) copying: SocketAddr,
    /// Afflux's responses, cached in files.
    pub(crate) proxy: SocketAddr,
}

impl Nginx {
    /// Serves `files` from core `core`, and proxies `origin`. Uses `folder` for its own files.
    pub(crate) fn start(folder: &Path, files: &Path, core: usize, origin: SocketAddr) -> Self {
        fs::create_dir_all(folder.join("temporary")).unwrap();
        let [sendfile, copying, proxy] = free_addresses();
        let config = config(files, [sendfile, copying, proxy], origin);
        fs::write(folder.join("nginx.conf"), config).unwrap();
        let mut child = Command::new("taskset")
            .args(["-c", &core.to_string(), program(), "-e", "error.log", "-c", "nginx.conf", "-p"])
            .arg(folder)
            .spawn()
            .expect("nginx is installed: benches/setup.sh");
        let began = Instant::now();
        let complaints = || fs::read_to_string(folder.join("error.log")).unwrap_or_default();
        while TcpStream::connect(proxy).is_err() {
            assert!(began.elapsed() < START && child.try_wait().unwrap().is_none(), "nginx: {}", complaints());
            sleep(Duration::from_millis(20));
        }
        // The cache loader and manager are children too; the worker is the first.
        let mut children = Process(child.id()).children();
        children.sort_by_key(|child| child.0);
        Self { worker: children[0], child, sendfile, copying, proxy }
    }

    /// The worker process.
    pub(crate) const fn process(&self) -> Process {
        self.worker
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A killed nginx would leave its worker behind.
        let pid = Pid::from_child(&self.child);
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Debian's nginx is in a folder of root's PATH only.
pub(crate) fn program() -> &'static str {
    let debian = "/usr/sbin/nginx";
    if Path::new(debian).exists() { debian } else { "nginx" }
}

/// Its version.
pub(crate) fn version() -> String {
    let said = Command::new(program()).arg("-v").output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).unwrap_or_default();
    said.trim().replace("nginx version: ", "")
}

/// Addresses that were free a moment ago.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn config(files: &Path, [sendfile, copying, proxy]: [SocketAddr; 3], origin: SocketAddr) -> String {
    let user = if getuid().is_root() { "user root;" } else { "" };
    let files = files.display();
    format!(
        r#"
daemon off; {user} worker_processes 1; worker_rlimit_nofile 16384; pid nginx.pid; error_log error.log crit;
events {{ worker_connections 8192; }}
http {{
    types {{
        application/vnd.apple.mpegurl m3u8;
        application/dash+xml mpd;
        video/iso.segment m4s;
        video/mp2t ts;
        video/mp4 mp4;
    }}
    client_body_temp_path temporary/body; proxy_temp_path temporary/proxy; fastcgi_temp_path temporary/fastcgi;
    uwsgi_temp_path temporary/uwsgi; scgi_temp_path temporary/scgi;
    access_log off; tcp_nodelay on; keepalive_requests 1000000; keepalive_timeout 300s; reset_timedout_connection on;
    open_file_cache max=10000 inactive=600s; open_file_cache_valid 600s;
    server {{ listen {sendfile} backlog=4096; root {files}; sendfile on; tcp_nopush on; }}
    server {{ listen {copying} backlog=4096; root {files}; sendfile off; output_buffers 2 256k; }}
    proxy_cache_path cache levels=1:2 keys_zone=afflux:16m max_size=1g inactive=1h use_temp_path=off;
    server {{
        listen {proxy} backlog=4096; sendfile on; tcp_nopush on;
        location / {{
            proxy_pass http://{origin}; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_cache afflux; proxy_cache_lock on; proxy_cache_valid 200 10m;
        }}
    }}
}}
"#
    )
}
