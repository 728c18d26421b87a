//! Emulators of cloud services: started on a free port, stopped when dropped. `tests/setup.sh` installs them; without
//! them a test fails.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running emulator.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    /// Its URL.
    pub(crate) endpoint: String,
}

impl Emulator {
    /// S3 with versions, by moto. It does not check signatures.
    pub(crate) fn s3() -> Self {
        Self::moto("http", &[])
    }

    /// Like `s3`, over TLS.
    pub(crate) fn s3_with_tls(certificate: &Certificate) -> Self {
        let [file, key] = [&certificate.file, &certificate.key].map(|path| path.to_str().unwrap());
        Self::moto("https", &["--ssl-cert", file, "--ssl-key", key])
    }

    fn moto(scheme: &str, more: &[&str]) -> Self {
        let mut command = installed(".venv/bin/moto_server");
        // It prints its address on standard error.
        command.args(["-H", "127.0.0.1", "-p", "0"]).args(more);
        Self::begin(&command, &format!(" * Running on {scheme}://"), scheme)
    }

    /// Azure Blob Storage, by Azurite. It checks signatures.
    pub(crate) fn azure() -> Self {
        let mut command = installed("emulators/node_modules/.bin/azurite-blob");
        command.args(["--blobHost", "127.0.0.1", "--blobPort", "0"]);
        command.args(["--inMemoryPersistence", "--silent", "--disableTelemetry"]);
        Self::begin(&command, "Azurite Blob service successfully listens on http://", "http")
    }

    /// Starts a program that prints `words` and then its address.
    fn begin(command: &Command, words: &str, scheme: &str) -> Self {
        // One pipe for standard output and standard error.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(command.get_program()).args(command.get_args());
        let child = shell.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut emulator = Self { child, endpoint: String::new() };
        let mut stdout = BufReader::new(emulator.child.stdout.take().unwrap());
        let mut said = String::new();
        loop {
            let from = said.len();
            assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "ended before it listened: {said}");
            if let Some((_, address)) = said[from..].split_once(words) {
                emulator.endpoint = format!("{scheme}://{}", address.trim());
                // Drain further output, so that the program does not block.
                std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
                return emulator;
            }
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A self-signed certificate for 127.0.0.1, and its key.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(crate) file: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Makes a certificate in `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Self {
        let (file, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=store of a test", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-out"])
            .arg(&file)
            .arg("-keyout")
            .arg(&key)
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        Self { file, key }
    }
}

/// A program below `tests` that `tests/setup.sh` installs.
fn installed(path: &str) -> Command {
    let program = tests().join(path);
    assert!(program.exists(), "{} is not there: bash tests/setup.sh", program.display());
    Command::new(program)
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Puts the files of `folder` into `bucket`, created with the arguments `more`: see `fill.py`.
pub(crate) fn fill_s3(s3: &Emulator, bucket: &str, folder: &Path, more: &[&str]) {
    let mut command = installed(".venv/bin/python");
    command.arg(tests().join("emulators/fill.py")).args([&s3.endpoint, bucket]).arg(folder).args(more);
    assert!(command.status().unwrap().success());
}

/// Puts the files of `folder` into `place`, a container and a prefix, of the account at `endpoint`: see `fill.mjs`.
pub(crate) fn fill_azure(endpoint: &str, key: &str, place: &str, folder: &Path) {
    let mut command = Command::new("node");
    command.arg(tests().join("emulators/fill.mjs")).args([endpoint, key, place]).arg(folder);
    assert!(command.status().unwrap().success());
}
