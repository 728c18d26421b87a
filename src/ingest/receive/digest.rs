//! Checksums of uploaded bytes (tus §Checksum).

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The supported algorithms, as listed in `Tus-Checksum-Algorithm`.
pub const ALGORITHMS: &str = "sha1,sha256,sha512";

/// An expected checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    kind: DigestAlgorithm,
    digest: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DigestAlgorithm {
    Sha1,
    Sha256,
    Sha512,
}

impl Checksum {
    /// `digest` is Base64. `None` if it is not, has the wrong length, or `kind` is not supported.
    #[must_use]
    pub fn new(kind: &str, digest: &str) -> Option<Self> {
        let kind = match kind {
            "sha1" => DigestAlgorithm::Sha1,
            "sha256" => DigestAlgorithm::Sha256,
            "sha512" => DigestAlgorithm::Sha512,
            _ => return None,
        };
        let digest = STANDARD.decode(digest).ok()?;
        (digest.len() == kind.context().algorithm().output_len()).then_some(Self { kind, digest })
    }

    /// Starts a running checksum to compare with this one.
    #[must_use]
    pub fn begin(&self) -> PendingChecksum {
        PendingChecksum { context: self.kind.context(), digest: self.digest.clone() }
    }
}

impl DigestAlgorithm {
    fn context(self) -> Context {
        Context::new(match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &SHA256,
            Self::Sha512 => &SHA512,
        })
    }
}

/// A running checksum over bytes.
#[derive(Clone)]
pub struct PendingChecksum {
    context: Context,
    digest: Vec<u8>,
}

impl std::fmt::Debug for PendingChecksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Summing").finish_non_exhaustive()
    }
}

impl PendingChecksum {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Whether the checksum of all bytes matches the expected one.
    #[must_use]
    pub fn agrees(self) -> bool {
        self.context.finish().as_ref() == self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    #[test]
    fn bytes_sum_up_to_what_other_programs_say() {
        // printf 'hello world' | openssl dgst -sha1 -binary | base64, and so on.
        for (kind, digest) in [
            ("sha1", "Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
            ("sha256", "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="),
            ("sha512", "MJ7MSJwS1utMxA9QyQLytNDtd+5RGnx6m808qG1M2G+YndNbxf9JlnDaNCVbRbDP2DDoH2Bdz33FVC6TrpzXbw=="),
        ] {
            let mut summing = Checksum::new(kind, digest).unwrap().begin();
            summing.add(b"hello ");
            let early = summing.clone();
            summing.add(b"world");
            assert!(summing.agrees() && !early.agrees(), "{kind}");
        }
    }
}
