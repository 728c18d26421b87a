//! Formats an explanation as text: one line for each value.

use crate::cli::plain::plain;
use serde_json::Value;

/// Formats `value` as one line per leaf: the path of the leaf, then its value.
pub(super) fn lines(value: &Value) -> String {
    let mut rows = Vec::new();
    collect(value, String::new(), &mut rows);
    let width = rows.iter().map(|(path, _)| path.len()).max().unwrap_or_default();
    let lines: Vec<String> = rows.iter().map(|(path, text)| format!("{path:width$} {}", plain(text))).collect();
    lines.join("\n") + "\n"
}

fn collect(value: &Value, path: String, rows: &mut Vec<(String, String)>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            match (fields.get("start"), fields.get("end"), fields.get("ticks"), fields.get("seconds")) {
                (Some(start), Some(end), None, None) => rows.push((path, format!("{start}..{end}"))),
                (None, None, Some(ticks), Some(seconds)) => rows.push((path, format!("{seconds} s ({ticks} ticks)"))),
                _ => fields.iter().for_each(|(key, value)| collect(value, below(key), rows)),
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, below(&at.to_string()), rows);
            }
        }
        Value::String(text) => rows.push((path, text.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) => rows.push((path, value.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::lines;
    use serde_json::json;

    #[test]
    fn columns_stay_apart_however_long_a_name_is() {
        let value = json!({
            "route": "MPEG-TS segment",
            "transport": { "streams": [{ "stored_samples": { "composition_time": { "ticks": -736, "seconds": 0.5 } } }] },
            "source_ranges": [{ "start": 48, "end": 1_000 }],
            "file": "a\nb",
        });
        assert_eq!(
            lines(&value),
            "file                                                a\u{fffd}b\n\
             route                                               MPEG-TS segment\n\
             source_ranges.0                                     48..1000\n\
             transport.streams.0.stored_samples.composition_time 0.5 s (-736 ticks)\n"
        );
    }
}
