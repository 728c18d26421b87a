//! The access log: a line for each response once its last byte is sent, in the combined format or as JSON. A separate
//! thread writes the lines, so that no response waits for a disk. If it cannot keep up, lines are dropped and counted.

use super::request_id::{X_REQUEST_ID, request_id};
use crate::config::{AccessFormat, Log};
use crate::media::u64_from_usize;
use hyper::header::{HeaderName, HeaderValue, REFERER, USER_AGENT};
use hyper::{HeaderMap, Request, StatusCode, Version};
use serde::Serialize;
use serde_json::Number;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write, stdout};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Most lines that wait to be written.
const WAITING: usize = 8_192;

/// How long the program waits at its end until all lines are written.
const FINISH: Duration = Duration::from_secs(2);

/// Status logged for a client that hung up before its response, as in nginx.
const HUNG_UP: u16 = 499;

/// Handle of the access log; its thread writes the lines.
#[derive(Debug)]
pub struct AccessLog {
    json: bool,
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Line(String),
    /// Marker: the thread replies once all earlier lines are written.
    Written(SyncSender<()>),
}

impl AccessLog {
    /// Opens the access log. `None` if `settings` turn it off. Fails if the file cannot be opened.
    pub fn open(settings: &Log) -> io::Result<Option<Arc<Self>>> {
        let json = match settings.access {
            AccessFormat::Off => return Ok(None),
            AccessFormat::Combined => false,
            AccessFormat::Json => true,
        };
        let out: Box<dyn Write + Send> = if settings.access_file.as_os_str().is_empty() {
            Box::new(stdout())
        } else {
            Box::new(OpenOptions::new().create(true).append(true).open(&settings.access_file)?)
        };
        let (lines, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        thread::Builder::new().name("access-log".into()).spawn(move || write_lines(&receiver, out, &counted))?;
        Ok(Some(Arc::new(Self { json, lines, dropped })))
    }

    /// Waits until all lines are written, for a limited time.
    pub fn finish(&self) {
        let (until, (written, wait)) = (Instant::now() + FINISH, sync_channel(1));
        let mut message = Message::Written(written);
        while let Err(TrySendError::Full(again)) = self.lines.try_send(message) {
            if Instant::now() > until {
                return;
            }
            thread::sleep(Duration::from_millis(10));
            message = again;
        }
        // If the disk takes longer, the remaining lines may be lost.
        let _ = wait.recv_timeout(FINISH);
    }

    /// Begins the line for `request`, which came from `client` to `listener`. Dropping the entry writes the line.
    pub(super) fn begin<B>(
        self: &Arc<Self>,
        request: &Request<B>,
        listener: &'static str,
        client: SocketAddr,
    ) -> Box<AccessLogEntry> {
        let target = match listener {
            "public" => request.uri().path_and_query().map_or("", |target| target.as_str()),
            // On the other listeners a query may contain a signature.
            _ => request.uri().path(),
        };
        Box::new(AccessLogEntry {
            log: Arc::clone(self),
            began: Instant::now(),
            status: HUNG_UP,
            sent: 0,
            fields: AccessLogFields {
                time: String::new(),
                listener,
                client: client.ip().to_string(),
                method: request.method().as_str().into(),
                target: target.into(),
                protocol: protocol(request.version()),
                status: 0,
                bytes: 0,
                seconds: Number::from(0),
                request_id: lossy(request_id(request.headers().get(X_REQUEST_ID)).as_bytes()),
                referer: header(request.headers(), REFERER),
                user_agent: header(request.headers(), USER_AGENT),
            },
        })
    }

    fn write(&self, line: String) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.lines.try_send(Message::Line(line)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_lines(lines: &Receiver<Message>, out: Box<dyn Write + Send>, dropped: &AtomicU64) {
    let mut out = BufWriter::new(out);
    let mut failed = false;
    while let Ok(first) = lines.recv() {
        let mut waiting = Vec::new();
        let mut done = Ok(());
        for message in [first].into_iter().chain(lines.try_iter()) {
            match message {
                Message::Line(line) => done = done.and_then(|()| out.write_all(line.as_bytes())),
                Message::Written(written) => waiting.push(written),
            }
        }
        done = done.and_then(|()| out.flush());
        if let Err(error) = &done
            && !failed
        {
            tracing::error!(%error, "the access log cannot be written (`log.access_file`)");
        }
        failed = done.is_err();
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            tracing::warn!(count, "lines of the access log were dropped: they came faster than they could be written");
        }
        // The receiver may have timed out.
        for written in waiting {
            let _ = written.try_send(());
        }
    }
}

/// A line in progress. It is written when dropped: after the last byte of the response, or when the client hangs up.
#[derive(Debug)]
pub(super) struct AccessLogEntry {
    log: Arc<AccessLog>,
    began: Instant,
    status: u16,
    /// Bytes of the response body that were handed to the socket.
    pub(super) sent: u64,
    fields: AccessLogFields,
}

#[derive(Debug, Clone, Serialize)]
struct AccessLogFields {
    time: String,
    listener: &'static str,
    client: String,
    method: String,
    target: String,
    protocol: &'static str,
    status: u16,
    bytes: u64,
    seconds: Number,
    request_id: String,
    referer: String,
    user_agent: String,
}

impl AccessLogEntry {
    /// Records the status and the request id of the response.
    pub(super) fn answered(&mut self, status: StatusCode, id: &HeaderValue) {
        (self.status, self.fields.request_id) = (status.as_u16(), lossy(id.as_bytes()));
    }

    fn line(&self) -> String {
        let (micros, now) = (self.began.elapsed().as_micros(), LogTime::now());
        let mut fields = self.fields.clone();
        (fields.status, fields.bytes) = (self.status, self.sent);
        if self.log.json {
            fields.time = now.rfc3339();
            let seconds = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            fields.seconds = seconds.parse().unwrap_or(fields.seconds);
            // Serializing strings and numbers cannot fail.
            return serde_json::to_string(&fields).map(|line| line + "\n").unwrap_or_default();
        }
        let AccessLogFields { client, method, target, protocol, status, bytes, referer, user_agent, .. } = &fields;
        let (target, referer, agent) = (escaped(target), quoted(referer), quoted(user_agent));
        format!("{client} - - [{}] \"{method} {target} {protocol}\" {status} {bytes} {referer} {agent}\n", now.common())
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        self.log.write(self.line());
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> String {
    headers.get(name).map(|value| lossy(value.as_bytes())).unwrap_or_default()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "\"-\"".into() } else { format!("\"{}\"", escaped(text)) }
}

/// Escapes `text` as web servers do, so that no field can end its quotes or its line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out
}

/// A point in time that logs print in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LogTime {
    /// Milliseconds since 1970.
    millis: u64,
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl LogTime {
    fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { millis: since.as_secs() * 1_000 + u64::from(since.subsec_millis()) }
    }

    /// Year, month from 1 and day from 1 in the proleptic Gregorian calendar, computed in eras of 400 years from 1
    /// March 0000.
    const fn day(self) -> (u64, u64, u64) {
        let days = self.millis / 86_400_000 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let (day, month) =
            (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
        let year = era * 400 + year;
        (if month <= 2 { year + 1 } else { year }, month, day)
    }

    const fn clock(self) -> (u64, u64, u64) {
        let seconds = self.millis / 1_000;
        (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60)
    }

    fn rfc3339(self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.day(), self.clock());
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", self.millis % 1_000)
    }

    fn common(self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.day(), self.clock());
        let names = MONTHS.iter().zip(1..);
        let month =
            names.into_iter().find(|(_, number)| u64_from_usize(*number) == month).map_or("-", |(name, _)| name);
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    }
}

#[cfg(test)]
mod tests {
    use super::{LogTime, escaped, quoted};

    #[test]
    fn moments_are_printed_as_logs_have_them() {
        for (millis, iso, common) in [
            (0, "1970-01-01T00:00:00.000Z", "01/Jan/1970:00:00:00 +0000"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z", "28/Feb/2000:23:59:59 +0000"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z", "01/Mar/2000:00:00:00 +0000"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z", "31/Dec/2026:23:59:59 +0000"),
        ] {
            let moment = LogTime { millis };
            assert_eq!((moment.rfc3339().as_str(), moment.common().as_str()), (iso, common));
        }
    }

    #[test]
    fn no_field_ends_its_quotes_or_its_line() {
        assert_eq!(escaped("a\"b\\c\r\nd\u{fc}"), "a\\\"b\\\\c\\x0d\\x0ad\\xc3\\xbc");
        assert_eq!((quoted(""), quoted("a")), ("\"-\"".into(), "\"a\"".into()));
    }
}
