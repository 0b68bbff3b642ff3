use std::fmt;

/// A usage limit: 1–100 percent of max. Nothing else can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u8);

impl Percent {
    /// The least that people can set.
    pub const STRICTEST: Percent = Percent(1);

    /// `None` for 0 and for more than 100.
    pub fn new(percent: u8) -> Option<Percent> {
        (1..=100).contains(&percent).then_some(Percent(percent))
    }

    /// The ceiling: floor(max × limit / 100), where the next request would be of the reserve.
    pub fn ceiling_of(self, max: u64) -> u64 {
        let ceiling = u128::from(max) * u128::from(self.0) / 100;
        u64::try_from(ceiling).unwrap_or(max) // never more than max, which is a u64
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_1_to_100_is_a_percent() {
        assert_eq!(
            (0..=255).filter(|p| Percent::new(*p).is_some()).collect::<Vec<u8>>(),
            (1..=100).collect::<Vec<u8>>()
        );
    }

    #[test]
    fn the_ceiling_is_rounded_down() {
        let ceiling = |percent, max| Percent::new(percent).unwrap().ceiling_of(max);
        assert_eq!(ceiling(80, 5_000), 4_000);
        assert_eq!(ceiling(50, 7), 3);
        assert_eq!(ceiling(1, 7), 0);
        assert_eq!(ceiling(99, 7), 6);
        assert_eq!(ceiling(100, u64::MAX), u64::MAX);
    }

    proptest! {
        #[test]
        fn the_ceiling_grows_with_the_limit_and_never_passes_max(p in 1u8..100, max: u64) {
            let (lower, higher) = (Percent::new(p).unwrap(), Percent::new(p + 1).unwrap());
            prop_assert!(lower.ceiling_of(max) <= higher.ceiling_of(max));
            prop_assert!(higher.ceiling_of(max) <= max);
        }
    }
}
