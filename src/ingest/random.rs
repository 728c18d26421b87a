//! Unpredictable random numbers, as hexadecimal digits.

use aws_lc_rs::rand;
use std::fmt::Write as _;

/// `N` random bytes as `2 N` hexadecimal digits.
///
/// # Panics
/// If the system has no random numbers: nothing that needs them may continue.
#[must_use]
pub fn token<const N: usize>() -> String {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system's random numbers");
    bytes.iter().fold(String::with_capacity(2 * N), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn a_token_has_its_length_and_no_other_has_its_digits() {
        let (one, other) = (token::<16>(), token::<16>());
        assert_eq!((one.len(), one == other), (32, false));
    }
}
