//! Values with units and bounds: sizes, durations, counts and addresses. A value without its unit or out of its bounds is
//! refused with what is allowed.

use serde::{Deserialize, Deserializer, de};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes; written `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub(super) u64);

impl Size {
    /// In bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
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
        // A number too large to hold is out of every range as well.
        Ok(Self(number.saturating_mul(scale)))
    }
}

/// Keys without a range of their own take up to a pebibyte.
impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        size_within(deserializer, Range { least: Self(0), most: Self(1 << 50), allowed: "0B to 1048576GiB" })
    }
}

/// A length of time; written `6s`.
struct Time(Duration);

impl FromStr for Time {
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

/// The digits' number, or the largest that there is where they say more, and the unit behind them.
fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let (digits, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    (!digits.is_empty()).then(|| (digits.parse().unwrap_or(u64::MAX), unit))
}

/// The values that a key takes.
#[derive(Clone, Copy)]
pub(super) struct Range<T> {
    pub(super) least: T,
    pub(super) most: T,
    /// Both, as they are written.
    pub(super) allowed: &'static str,
}

/// The durations that most keys take.
pub(super) const UP_TO_AN_HOUR: Range<Duration> =
    Range { least: Duration::ZERO, most: Duration::from_hours(1), allowed: "0s to 1h" };

impl<T: PartialOrd> Range<T> {
    fn check<E: de::Error>(&self, value: T) -> Result<T, E> {
        let inside = self.least <= value && value <= self.most;
        if inside { Ok(value) } else { Err(E::custom(format_args!("{} is allowed", self.allowed))) }
    }
}

/// A duration in `range`.
pub(super) fn time_within<'de, D: Deserializer<'de>>(
    deserializer: D,
    range: Range<Duration>,
) -> Result<Duration, D::Error> {
    let Time(time) = word(deserializer)?;
    range.check(time)
}

/// A size in `range`.
pub(super) fn size_within<'de, D: Deserializer<'de>>(deserializer: D, range: Range<Size>) -> Result<Size, D::Error> {
    range.check(word(deserializer)?)
}

/// A whole number in `range`.
pub(super) fn count_within<'de, D: Deserializer<'de>>(deserializer: D, range: Range<u64>) -> Result<usize, D::Error> {
    let count = deserializer.deserialize_i64(Count(range.allowed))?;
    usize::try_from(range.check(count)?).map_err(de::Error::custom)
}

/// Reads a whole number; it says which are allowed.
struct Count(&'static str);

impl de::Visitor<'_> for Count {
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

/// A string that `T` is parsed from. Numbers and booleans come here too: they lack their unit, and `T` says so.
struct Word<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = &'static str>> de::Visitor<'_> for Word<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::from_str("").err().unwrap_or("a string"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|allowed| E::custom(format_args!("`{text}`: {allowed}")))
    }
}

/// A value that is written as a string.
pub(super) fn word<'de, D: Deserializer<'de>, T: FromStr<Err = &'static str>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_str(Word(std::marker::PhantomData))
}

/// An address with a port.
struct Address(SocketAddr);

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| "an address is an IP and a port, as in \"127.0.0.1:8080\" or \"[::]:8080\"")
    }
}

/// An address with a port.
pub(super) fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    word(deserializer).map(|Address(address)| address)
}

/// The same; none where the string is empty.
pub(super) fn some_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { address(de::value::StrDeserializer::new(&text)).map(Some) }
}
