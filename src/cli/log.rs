//! The log, on standard error: one line for each event, as text for people or as JSON for programs.
//!
//! ```text
//! text   2026-12-01T03:29:00.000000Z  INFO afflux::ingest: an upload begins asset="films/night" length=4139823
//! json   {"time":"2026-12-01T03:29:00.000000Z","level":"INFO","target":"afflux::ingest","message":"an upload begins",…}
//! ```
//! File names and paths come from strangers: texts are quoted and escaped, so that no name can forge a line or a field,
//! or reach the terminal as a control sequence.

use super::plain::misleads;
use crate::config::{Log, LogFormat, LogLevel};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, stderr};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging to standard error.
pub(super) fn start(settings: &Log) {
    let log = tracing_subscriber::fmt().with_max_level(filter(settings.level)).with_writer(stderr);
    log.with_ansi(stderr().is_terminal()).event_format(LineFormat(settings.format)).init();
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Formats an event as one line.
struct LineFormat(LogFormat);

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let mut fields = EventFields::default();
        event.record(&mut fields);
        let line = match self.0 {
            LogFormat::Text if out.has_ansi_escapes() => text(&time, &coloured(event.metadata()), fields),
            LogFormat::Text => text(&time, &head(event.metadata()), fields),
            LogFormat::Json => json(&time, event.metadata(), fields),
        };
        writeln!(out, "{line}")
    }
}

/// Level and module of an event.
fn head(event: &Metadata<'_>) -> String {
    format!("{:>5} {}", event.level(), event.target())
}

/// Like `head`, with the level in colour.
fn coloured(event: &Metadata<'_>) -> String {
    let colour = match *event.level() {
        tracing::Level::ERROR => 31,
        tracing::Level::WARN => 33,
        tracing::Level::INFO => 32,
        tracing::Level::DEBUG => 34,
        tracing::Level::TRACE => 35,
    };
    format!("\u{1b}[{colour}m{:>5}\u{1b}[0m {}", event.level(), event.target())
}

fn text(time: &str, head: &str, fields: EventFields) -> String {
    let mut line = format!("{time} {head}: {}", escaped(&fields.message));
    for (name, value) in fields.others {
        // Writing to a `String` cannot fail.
        let _ = match value {
            Value::String(text) => write!(line, " {name}={text:?}"),
            other => write!(line, " {name}={other}"),
        };
    }
    line
}

/// `message` with control characters and backslashes escaped, as Rust escapes them in a literal.
fn escaped(message: &str) -> String {
    let literal = format!("{message:?}");
    let inside = literal.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&literal);
    inside.replace("\\\"", "\"")
}

/// Formats an event as a JSON object. An event's field never replaces one that every line has.
fn json(time: &str, event: &Metadata<'_>, fields: EventFields) -> String {
    let (level, target) = (event.level().as_str(), event.target());
    let always = [("time", time.into()), ("level", level.into()), ("target", target.into())];
    let always = [&always[..], &[("message", fields.message.into())]].concat();
    let is_free = |name: &str| always.iter().all(|(taken, _)| *taken != name);
    let others = fields.others.into_iter().filter(|(name, _)| is_free(name)).collect::<Vec<_>>();
    let members = always.iter().chain(&others).map(|(name, value)| format!("{}:{value}", Value::from(*name)));
    let object = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    let mut line = String::new();
    // All misleading characters are inside strings, where RFC 8259 §7 allows escapes.
    for character in object.chars() {
        if misleads(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(line, "\\u{unit:04x}");
            }
        } else {
            line.push(character);
        }
    }
    line
}

/// Message and fields of an event.
#[derive(Default)]
struct EventFields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl EventFields {
    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => self.others.push((name, value)),
        }
    }
}

impl Visit for EventFields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use super::{LevelFilter, LineFormat, LogFormat};
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Log output of `events`, without the time.
    fn logged(format: LogFormat, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_ansi(false);
        let log = log.event_format(LineFormat(format)).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log, events);
        let text = String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
        let untimed = |line: &str| {
            let at = line.find('2').unwrap();
            let end = line[at..].find('Z').unwrap() + at;
            format!("{}{}\n", &line[..at], &line[end + 1..])
        };
        text.lines().map(untimed).collect()
    }

    const FORGED: &str = "a\n2026-12-01T00:00:00Z ERROR afflux: forged\u{9b}2J\u{2028}\" admin=\"yes";

    #[test]
    fn a_name_with_a_line_break_stays_in_its_field() {
        let events = || {
            tracing::warn!(path = FORGED, asset = %FORGED, "left out: {FORGED}");
        };
        let escaped = r#"a\n2026-12-01T00:00:00Z ERROR afflux: forged\u{9b}2J\u{2028}\" admin=\"yes"#;
        let message = escaped.replace("\\\"", "\"");
        assert_eq!(
            logged(LogFormat::Text, events),
            format!("  WARN afflux::cli::log::tests: left out: {message} path=\"{escaped}\" asset=\"{escaped}\"\n")
        );
        let json = logged(LogFormat::Json, events);
        assert_eq!(json.lines().count(), 1);
        assert!(json.trim_end().bytes().all(|byte| matches!(byte, b' '..=b'~')), "{json}");
        let line: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&line["path"], &line["asset"]), (&FORGED.into(), &FORGED.into()));
        assert_eq!(line["message"], format!("left out: {FORGED}"));
    }

    #[test]
    fn numbers_and_words_are_as_programs_write_them() {
        let (length, none): (Option<u64>, Option<u64>) = (Some(4_139_823), None);
        let events = || {
            tracing::info!(length, none, left = -1, ready = true, rate = 0.5, key = "a b", "it's \"ü\" at C:\\x");
        };
        assert_eq!(
            logged(LogFormat::Text, events),
            "  INFO afflux::cli::log::tests: it's \"ü\" at C:\\\\x length=4139823 left=-1 ready=true rate=0.5 key=\"a b\"\n"
        );
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, events)).unwrap();
        let expected = serde_json::json!({
            "time": "", "level": "INFO", "target": "afflux::cli::log::tests", "message": "it's \"ü\" at C:\\x",
            "length": 4_139_823, "left": -1, "ready": true, "rate": 0.5, "key": "a b",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_field_does_not_replace_what_every_line_has() {
        let events = || tracing::error!(level = "trace", target = "t", time = "never", "down");
        let line: serde_json::Value = serde_json::from_str(&logged(LogFormat::Json, events)).unwrap();
        assert_eq!((&line["level"], &line["message"]), (&"ERROR".into(), &"down".into()));
        assert_eq!((&line["target"], &line["time"]), (&"afflux::cli::log::tests".into(), &"".into()));
    }
}
