//! What stands for digests and names that are taken away. A key and what was there come in, a token goes out.
//!
//! A token is BLAKE3 in its keyed mode, cut to 128 bits. Invariants: equal things have equal tokens under one key; without
//! the key nobody can tell which thing a token stands for, nor try whether it is a given one.

use std::fmt;

use crate::request::Digest;

/// What makes tokens. Known to nobody else.
#[derive(Clone)]
pub struct Key([u8; blake3::KEY_LEN]);

/// Keys are not shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// The key that is made of this secret, which should have 32 random bytes or more.
    pub fn of(secret: &[u8]) -> Key {
        Key(blake3::derive_key("blkreplay 2026 anonymize", secret))
    }

    /// Says which key it is, and nothing else of it: 16 hex digits.
    pub fn name(&self) -> String {
        format!("{:016x}", self.token("key", &[]) >> 64)
    }

    /// What stands for a digest.
    pub(super) fn digest(&self, digest: Digest) -> Digest {
        Digest(self.token("digest", &digest.0.to_le_bytes()))
    }

    /// What stands for a uuid, as UUIDs are printed.
    pub(super) fn uuid(&self, uuid: &str) -> String {
        let digits = format!("{:032x}", self.token("uuid", uuid.as_bytes()));
        let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20]];
        format!("{}-{}", groups.join("-"), &digits[20..])
    }

    /// What stands for the name of a mark.
    pub(super) fn mark(&self, name: &str) -> u128 {
        self.token("mark", name.as_bytes())
    }

    /// Random numbers for what `label` and `number` name, the same each time.
    pub(super) fn dice(&self, label: &str, number: u64) -> Dice {
        let mut hasher = self.hasher(label);
        hasher.update(&number.to_le_bytes());
        Dice(hasher.finalize_xof())
    }

    fn token(&self, label: &str, thing: &[u8]) -> u128 {
        let mut hasher = self.hasher(label);
        hasher.update(thing);
        let hash = hasher.finalize();
        hash.as_bytes()[..16].iter().fold(0, |all, byte| all << 8 | u128::from(*byte))
    }

    fn hasher(&self, label: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(label.as_bytes());
        hasher.update(&[0]);
        hasher
    }
}

/// Random numbers that a key makes.
pub(super) struct Dice(blake3::OutputReader);

impl Dice {
    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let number = u128::from(u64::from_le_bytes(bytes)) * u128::from(bound);
        u64::try_from(number >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_depend_on_the_key_the_thing_and_what_it_is() {
        let (one, other) = (Key::of(b"one"), Key::of(b"other"));
        let digest = Digest(7);
        assert_eq!(one.digest(digest), Key::of(b"one").digest(digest));
        assert_ne!(one.digest(digest), other.digest(digest));
        assert_ne!(one.digest(digest), one.digest(Digest(8)));
        assert_ne!(one.digest(digest), digest);
        assert_ne!(one.mark("a"), one.token("uuid", b"a"));
        assert_eq!(one.name().len(), 16);
        assert_ne!(one.name(), other.name());
        assert_eq!(one.uuid("x").len(), 36);
        assert_eq!(format!("{one:?}"), "Key(..)");
    }

    #[test]
    fn dice_stay_below_their_bound_and_reach_all_of_it() {
        let mut dice = Key::of(b"one").dice("extents", 3);
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[usize::try_from(dice.below(7)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(dice.below(1), 0);
    }
}
