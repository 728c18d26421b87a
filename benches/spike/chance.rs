//! Pseudo-random numbers, the same in every run.

/// The generator (xorshift64*).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number in 0 ≤ x < 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// One of `all`.
    pub(crate) fn of<'a, T: AsRef<str>>(&mut self, all: &'a [T]) -> &'a str {
        all[self.below(all.len())].as_ref()
    }

    /// Seconds to the next of independent arrivals at `rate` a second.
    pub(crate) fn pause(&mut self, rate: f64) -> f64 {
        -(1.0 - self.unit()).ln() / rate
    }

    /// A number below `count` in a Zipf distribution: `n` has the weight 1 ÷ (n + 1).
    pub(crate) fn zipf(&mut self, count: usize) -> usize {
        let total: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
        let mut left = self.unit() * total;
        (1..count)
            .find(|rank| {
                left -= 1.0 / *rank as f64;
                left < 0.0
            })
            .unwrap_or(count)
            - 1
    }
}
