//! A little chance, so that many connections do not do the same thing in the same moment.
//!
//! No secret depends on it. It is the seed of the standard library's hasher, which spares a dependency.

use std::hash::{BuildHasher, Hasher};

/// A number from 0 to 1, different each time.
pub(crate) fn random() -> f64 {
    let bits = std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish();
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ_and_stay_in_range() {
        let numbers: Vec<f64> = (0..100).map(|_| random()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        assert!(numbers.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
