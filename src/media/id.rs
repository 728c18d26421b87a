//! Identifiers derived from content: [`ContentId`] of a stored object, [`Version`] of the responses built from it.

use std::fmt;
use std::str::FromStr;

/// Identifies a stored object by its content: a hash of its size, its headers and its first and last media bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentId([u8; 16]);

impl ContentId {
    /// Creates an id from 128 bits of a cryptographic hash.
    #[must_use]
    pub const fn new(hash: [u8; 16]) -> Self {
        Self(hash)
    }

    /// The 128 bits of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// Identifies all bytes that a URL may return: the `~version` of a track or playlist. Prints as 24 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version([u8; 12]);

impl Version {
    /// Creates a version from 96 bits of a cryptographic hash.
    #[must_use]
    pub const fn new(hash: [u8; 12]) -> Self {
        Self(hash)
    }

    /// The 96 bits of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 12] {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

/// A version that is not 24 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a version is 24 lower-case hexadecimal digits")]
pub struct VersionError;

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let pairs: &[[u8; 2]; 12] = pairs.try_into().map_err(|_| VersionError)?;
        if !rest.is_empty() {
            return Err(VersionError);
        }
        let mut bytes = [0; 12];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Self(bytes))
    }
}

fn digit(byte: u8) -> Result<u8, VersionError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        _ => Err(VersionError),
    }
}

/// Writes all digits in one call: playlists print a URL for each segment.
fn write_hex<const N: usize>(bytes: &[u8; N], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let nibble = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let digits = bytes.map(|byte| [nibble(byte >> 4), nibble(byte & 0xf)]);
    f.write_str(str::from_utf8(digits.as_flattened()).expect("digits are ASCII"))
}

#[cfg(test)]
mod tests {
    use super::{Version, VersionError};

    #[test]
    fn a_version_is_read_as_it_is_printed_and_in_no_other_way() {
        let version = Version::new([0, 1, 2, 0xab, 0xff, 5, 6, 7, 8, 9, 10, 11]);
        assert_eq!(version.to_string(), "000102abff05060708090a0b");
        assert_eq!(version.to_string().parse(), Ok(version));
        for text in ["", "00", "000102ABff05060708090a0b", "000102abff05060708090a0b0", "000102abff05060708090a0g"] {
            assert_eq!(text.parse::<Version>(), Err(VersionError), "{text}");
        }
    }
}
