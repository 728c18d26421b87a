//! Parses values with units and ranges: sizes, durations, counts, addresses and URLs. The error for a value without its unit
//! or out of range states the allowed values.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes; written `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub(super) u64);

impl ByteSize {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a size is a whole number and its unit, B, KiB, MiB or GiB, as in \"512MiB\"";
        let (number, unit) = number_and_unit(text).ok_or(ALLOWED)?;
        let scale = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(ALLOWED),
        };
        // A saturated number is out of every range as well.
        Ok(Self(number.saturating_mul(scale)))
    }
}

/// For keys without their own range: 0 to one pebibyte.
impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        size_within(deserializer, Range { least: Self(0), most: Self(1 << 50), allowed: "0B to 1048576GiB" })
    }
}

/// A duration; written `6s`.
struct DurationText(Duration);

impl FromStr for DurationText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "a duration is a whole number and its unit, ms, s, min or h, as in \"6s\" or \"500ms\"";
        let (number, unit) = number_and_unit(text).ok_or(ALLOWED)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(ALLOWED),
        };
        Ok(Self(Duration::from_millis(number.saturating_mul(millis))))
    }
}

/// Splits `text` into a number, saturated at `u64::MAX`, and the unit after it.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u64::MAX), unit))
}

/// The range of allowed values of a key.
#[derive(Clone, Copy)]
pub(super) struct Range<T> {
    pub(super) least: T,
    pub(super) most: T,
    /// The range as text, for error messages.
    pub(super) allowed: &'static str,
}

pub(super) const HOUR: Duration = Duration::from_hours(1);

/// The range of most keys that are durations.
pub(super) const UP_TO_AN_HOUR: Range<Duration> = Range { least: Duration::ZERO, most: HOUR, allowed: "0s to 1h" };

impl<T: PartialOrd> Range<T> {
    fn check<E: de::Error>(&self, value: T) -> Result<T, E> {
        let inside = self.least <= value && value <= self.most;
        if inside { Ok(value) } else { Err(E::custom(format_args!("{} is allowed", self.allowed))) }
    }
}

/// Parses a duration within `range`.
pub(super) fn time_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: Range<Duration>,
) -> Result<Duration, D::Error> {
    let DurationText(time) = word(deserializer)?;
    range.check(time)
}

/// Parses a size within `range`.
pub(super) fn size_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: Range<ByteSize>,
) -> Result<ByteSize, D::Error> {
    range.check(word(deserializer)?)
}

/// Parses the size of a cache or of buffers in memory: 0B to 1024GiB.
pub(super) fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    size_within(deserializer, Range { least: ByteSize(0), most: ByteSize(1 << 40), allowed: "0B to 1024GiB" })
}

/// Parses a whole number within `range`.
pub(super) fn count_within<'de, D: Deserializer<'de>>(deserializer: D, range: Range<u64>) -> Result<usize, D::Error> {
    let count = deserializer.deserialize_i64(WholeNumberVisitor(range.allowed))?;
    usize::try_from(range.check(count)?).map_err(de::Error::custom)
}

/// Reads a whole number; its text states the allowed numbers for error messages.
struct WholeNumberVisitor(&'static str);

impl de::Visitor<'_> for WholeNumberVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom(format_args!("{} is allowed", self.0)))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }
}

/// Reads a string and parses `T` from it. For a number or boolean, which has no unit, the error states the format of
/// `T`.
struct TextVisitor<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = &'static str>> de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::from_str("").err().unwrap_or("a string"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|allowed| E::custom(format_args!("`{text}`: {allowed}")))
    }
}

/// Parses a value that is written as a string.
pub(super) fn word<'de, D: Deserializer<'de>, T: FromStr<Err = &'static str>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(TextVisitor(std::marker::PhantomData))
}

/// An IP address with a port.
struct Address(SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"")
    }
}

/// Parses an IP address with a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    word(deserializer).map(|Address(address)| address)
}

/// Parses an IP address with a port; `None` if the string is empty.
pub(super) fn some_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { address(de::value::StrDeserializer::new(&text)).map(Some) }
}

/// Whether `text` is the address of a web server, with or without a path.
pub(super) fn is_web_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = |rest: &str| !rest.contains(|c: char| c.is_control() || " \"<>?#@\\".contains(c));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':']) && is_plain(rest))
}
