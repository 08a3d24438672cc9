//! Seeded chance, for jitter: the same seed gives the same numbers for ever.

/// The generator `SplitMix64`: small, fast, good enough to spread retries.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator that starts from this seed.
    #[must_use]
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when there is nothing below it.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that the generator's authors give for this seed.
    #[test]
    fn numbers() {
        let mut rng = Rng::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for number in expected {
            assert_eq!(rng.next_u64(), number);
        }
    }

    #[test]
    fn below_a_bound() {
        let mut rng = Rng::new(1);
        let seen: std::collections::BTreeSet<u64> = (0..100).map(|_| rng.below(5)).collect();
        assert!(seen.into_iter().eq(0..5), "every number below the bound, and no other");
        assert_eq!(rng.below(0), 0);
    }
}
