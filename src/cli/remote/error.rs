//! Errors of the client commands, and their exit codes.

use crate::cli::plain::plain;
use crate::library;
use reqwest::StatusCode;
use std::io;
use std::process::ExitCode;

/// Reasons why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The arguments make no sense.
    #[error("{0}")]
    Use(String),
    /// The server cannot be reached, or broke off.
    #[error("no answer from {server}: {why}")]
    Away {
        /// The server's address.
        server: String,
        /// The reason.
        why: String,
    },
    /// The server refused the request.
    #[error("{detail}")]
    Refused {
        /// Status of the response.
        status: StatusCode,
        /// Detail of the problem.
        detail: String,
    },
    /// The response is none that an Afflux API gives.
    #[error("{server} is no API of Afflux: {why}")]
    Strange {
        /// The server's address.
        server: String,
        /// The mismatch.
        why: String,
    },
    /// The file cannot be read, or has changed.
    #[error("{0}")]
    File(String),
    /// The database failed.
    #[error("{0}")]
    Library(#[from] library::Error),
    /// Writing the output failed.
    #[error("{0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// Error for a refusal by the server.
    pub(super) fn refused(status: StatusCode, detail: &str) -> Self {
        Self::Refused { status, detail: plain(detail) }
    }

    /// Whether the same request may succeed in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            // 409: bytes at another offset than the next; 460: bytes damaged on the way.
            Self::Refused { status, .. } => {
                matches!(status.as_u16(), 408 | 409 | 423 | 425 | 429 | 460 | 500 | 502 | 503 | 504)
            }
            Self::Use(_) | Self::Strange { .. } | Self::File(_) | Self::Library(_) | Self::Output(_) => false,
        }
    }

    /// Whether every other request to this server would fail the same way.
    pub(super) fn is_for_all(&self) -> bool {
        match self {
            Self::Use(_) | Self::Away { .. } | Self::Strange { .. } | Self::Output(_) => true,
            Self::Refused { status, .. } => matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
            Self::File(_) | Self::Library(_) => false,
        }
    }

    /// 2: wrong use; 1: failure.
    pub(super) fn code(&self) -> ExitCode {
        match self {
            Self::Use(_) => ExitCode::from(2),
            Self::Away { .. }
            | Self::Refused { .. }
            | Self::Strange { .. }
            | Self::File(_)
            | Self::Library(_)
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}
