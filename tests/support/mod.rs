//! What the test programs share: the real binary, started.

#![allow(dead_code, reason = "each test program uses its part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The real server, on ports of its own; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// `http://ADDR` of the public listener.
    pub(crate) public: String,
    /// `http://ADDR` of the private listener.
    pub(crate) private: String,
}

impl Server {
    /// Starts the server over `media` and waits until both listeners accept.
    pub(crate) fn start(media: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_afflux"))
            .args(["serve", "--listen", "127.0.0.1:0", "--private", "127.0.0.1:0", "--media"])
            .arg(media)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (mut public, mut private) = (None, None);
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        for line in lines.map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("public", url)) => public = Some(url.to_owned()),
                Some(("private", url)) => private = Some(url.to_owned()),
                _ => {}
            }
            if public.is_some() && private.is_some() {
                break;
            }
        }
        let public = public.expect("the server says where its public listener is");
        Self { child, public, private: private.expect("the server says where its private listener is") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
