//! Why a command did not do what it was asked, and what the process exits with.

use crate::cli::plain::plain;
use crate::library;
use reqwest::StatusCode;
use std::io;
use std::process::ExitCode;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// What was asked cannot be meant.
    #[error("{0}")]
    Use(String),
    /// The server cannot be reached, or stopped in the middle.
    #[error("no answer from {server}: {why}")]
    Away {
        /// Which.
        server: String,
        /// What was the matter.
        why: String,
    },
    /// The server says no.
    #[error("{detail}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its words.
        detail: String,
    },
    /// The server says what no API of ours says.
    #[error("{server} is no API of Afflux: {why}")]
    Strange {
        /// Which.
        server: String,
        /// What it says.
        why: String,
    },
    /// The file cannot be read, or is another by now.
    #[error("{0}")]
    File(String),
    /// The database says no.
    #[error("{0}")]
    Library(#[from] library::Error),
    /// What was to be printed was not.
    #[error("{0}")]
    Output(#[from] io::Error),
}

impl Error {
    /// What a server said that was asked something.
    pub(super) fn refused(status: StatusCode, detail: &str) -> Self {
        Self::Refused { status, detail: plain(detail) }
    }

    /// Whether the same may succeed in a moment.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Away { .. } => true,
            // 409: bytes of another place than the next one; 460: bytes that were changed on their way.
            Self::Refused { status, .. } => {
                matches!(status.as_u16(), 408 | 409 | 423 | 425 | 429 | 460 | 500 | 502 | 503 | 504)
            }
            Self::Use(_) | Self::Strange { .. } | Self::File(_) | Self::Library(_) | Self::Output(_) => false,
        }
    }

    /// Whether whatever else is asked of this server will end the same way.
    pub(super) fn is_for_all(&self) -> bool {
        match self {
            Self::Use(_) | Self::Away { .. } | Self::Strange { .. } | Self::Output(_) => true,
            Self::Refused { status, .. } => matches!(*status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN),
            Self::File(_) | Self::Library(_) => false,
        }
    }

    /// 2: it was not asked rightly; 1: it did not come to be.
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
