//! A minimal HTTP/1.1 client: one GET at a time on a bare socket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Timeout of any single read or write.
const PATIENCE: Duration = Duration::from_secs(20);

/// A whole response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case, in order.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GETs `url` (`http://ADDR/…`).
pub(crate) fn get(url: &str) -> Result<Answer, String> {
    exchange(url).map_err(|error| format!("{url}: {error}"))
}

/// GETs `url` and expects 200.
pub(crate) fn body(url: &str) -> Result<Vec<u8>, String> {
    let answer = get(url)?;
    match answer.status {
        200 => Ok(answer.body),
        status => Err(format!("{url}: {status} {}", answer.text().chars().take(300).collect::<String>())),
    }
}

fn exchange(url: &str) -> Result<Answer, String> {
    let rest = url.strip_prefix("http://").ok_or("not an http URL")?;
    let (address, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let say = |error: std::io::Error| error.to_string();
    let mut socket = TcpStream::connect(address).map_err(say)?;
    socket.set_read_timeout(Some(PATIENCE)).map_err(say)?;
    socket.set_write_timeout(Some(PATIENCE)).map_err(say)?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).map_err(say)?;
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).map_err(say)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Answer, String> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("an answer without an end of headers")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status: status.ok_or("no status")?, headers, body: bytes[end + 4..].to_vec() };
    if answer.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        answer.body = unchunk(&answer.body)?;
    } else if let Some(length) = answer.header("content-length")
        && length.parse() != Ok(answer.body.len())
    {
        return Err(format!("Content-Length says {length}, {} bytes came", answer.body.len()));
    }
    Ok(answer)
}

fn unchunk(mut bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut whole = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").ok_or("a chunk without a size")?;
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let size = size.ok_or("a chunk size that is no number")?;
        if size == 0 {
            return Ok(whole);
        }
        let chunk = bytes.get(end + 2..end + 2 + size).ok_or("the connection ended inside a chunk")?;
        whole.extend_from_slice(chunk);
        bytes = bytes.get(end + 4 + size..).ok_or("the connection ended after a chunk")?;
    }
}
