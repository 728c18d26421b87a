//! A client that accepts responses whole or cut short: it returns faults to the test instead of asserting.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longest time for any single read; longer is a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// A response, as far as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Got {
    /// 0 if nothing arrived.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// `Content-Length`.
    pub(crate) promised: usize,
    /// May be shorter than promised, never longer.
    pub(crate) body: Vec<u8>,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(each, _)| each == name).map_or("", |(_, value)| value)
    }

    /// Checks that this is a clean refusal: a problem that must not be cached.
    pub(crate) fn check_problem(&self, url: &str) -> Result<(), String> {
        let told = (self.header("content-type"), self.header("cache-control"));
        if told == ("application/problem+json", "no-store") {
            Ok(())
        } else {
            Err(format!("{url}: {} with {told:?}", self.status))
        }
    }
}

/// GETs `path`, or its bytes `range`, both ends included. An error means a fault: no response, or a hang.
pub(crate) fn get(address: SocketAddr, path: &str, range: Option<(usize, usize)>) -> Result<Got, String> {
    let say = |error: std::io::Error| format!("{path}: {error}");
    let stream = begun(address, path, range).map_err(say)?;
    finished(stream, path)
}

/// Sends the request for `path`.
pub(crate) fn begun(
    address: SocketAddr,
    path: &str,
    range: Option<(usize, usize)>,
) -> std::io::Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let range = range.map(|(from, to)| format!("Range: bytes={from}-{to}\r\n")).unwrap_or_default();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{range}\r\n")?;
    Ok(BufReader::new(stream))
}

/// Reads the response to its end, early or not.
pub(crate) fn finished(mut stream: BufReader<TcpStream>, path: &str) -> Result<Got, String> {
    let say = |error: std::io::Error| format!("{path}: {error}");
    let mut got = Got::default();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).map_err(say)? == 0 {
            // If the first bytes of the body are unavailable, the server does not send the head either.
            let nothing = got.status == 0;
            let cut = Got { promised: 1, ..Got::default() };
            return if nothing { Ok(cut) } else { Err(format!("{path}: closed before the end of the head")) };
        }
        match (line.trim_end(), line.trim_end().split_once(": ")) {
            ("", _) => break,
            (_, Some((name, value))) => got.headers.push((name.to_lowercase(), value.to_owned())),
            (status, None) => got.status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0),
        }
    }
    got.promised = got.header("content-length").parse().map_err(|_| format!("{path}: no Content-Length"))?;
    // Not `take`, to notice more bytes than promised.
    match stream.read_to_end(&mut got.body) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(say(error)),
    }
    Ok(got)
}
