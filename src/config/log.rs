//! The section `[log]` of the configuration: log lines and the access log.

use serde::Deserialize;
use std::path::PathBuf;

/// `[log]`: logging to standard error, and the access log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// Least important level that is logged.
    pub level: LogLevel,
    /// Format of log lines.
    pub format: LogFormat,
    /// Format of the access log.
    pub access: AccessFormat,
    /// File to append the access log to; empty for standard output.
    pub access_file: PathBuf,
}

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people: time, level, module, message, `name=value`.
    #[default]
    Text,
    /// For programs: one JSON object on each line.
    Json,
}

/// Format of the access log, which has one line for each response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessFormat {
    /// No access log.
    #[default]
    Off,
    /// Combined log format, as in other web servers.
    Combined,
    /// One JSON object on each line.
    Json,
}

/// Importance of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Problems that an operator must look at.
    Error,
    /// Problems that the server handled.
    Warn,
    /// Actions of the server.
    #[default]
    Info,
    /// Reasons for these actions.
    Debug,
    /// All details.
    Trace,
}
