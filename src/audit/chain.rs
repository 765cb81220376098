//! Hashes of leaves, and the chain that binds each to all before it.

use std::fmt;

use sha2::{Digest, Sha256};

use super::canonical;
use crate::fault::{Fault, codes::W8001};
use crate::message::Leaf;

/// Keeps hashes of the chain apart from every other SHA-256 that weir takes. Its first byte
/// differs from that of RFC 6962 leaves.
const CHAIN_DOMAIN: &[u8] = b"\x01weir/audit/chain/1\0";

/// Hash of a leaf in a Merkle tree: SHA-256 over a zero byte and the canonical bytes.
///
/// Source: RFC 6962 §2.1.
#[must_use]
pub fn leaf_hash(canonical: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(canonical).finalize().into()
}

/// Head of the chain: a hash over the head before and the leaf. The first head, before any
/// leaf, is all zero.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ChainHead(pub [u8; 32]);

impl ChainHead {
    /// The head after `leaf`.
    #[must_use]
    pub fn next(self, leaf: &Leaf) -> Self {
        self.next_bytes(&canonical(leaf))
    }

    /// The head after the leaf with these canonical bytes.
    #[must_use]
    pub fn next_bytes(self, canonical: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(CHAIN_DOMAIN)
            .chain_update(self.0)
            .chain_update(canonical)
            .finalize();
        Self(hash.into())
    }

    /// Reads 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut head = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, pair) in head.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(head))
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a check of a whole chain found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Number of leaves.
    pub leaves: u64,
    /// Head after the last.
    pub head: ChainHead,
}

/// The first leaf whose recorded head is not the one that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainBreak {
    /// Its position, from 0.
    pub position: u64,
    /// The head that follows from the leaves.
    pub computed: ChainHead,
    /// The head that was recorded.
    pub recorded: ChainHead,
}

impl From<ChainBreak> for Fault {
    fn from(broken: ChainBreak) -> Self {
        Self::new(W8001).because(format!("at record {}", broken.position))
    }
}

/// Checks leaves with their recorded heads against the chain that starts at `start`.
///
/// # Errors
/// The first break.
pub fn verify<'l>(
    start: ChainHead,
    leaves: impl IntoIterator<Item = (&'l Leaf, ChainHead)>,
) -> Result<Verified, ChainBreak> {
    verify_bytes(start, leaves.into_iter().map(|(leaf, head)| (canonical(leaf), head)))
}

/// Checks canonical bytes with their recorded heads, without reading the leaves.
///
/// # Errors
/// The first break.
pub fn verify_bytes<B: AsRef<[u8]>>(
    start: ChainHead,
    leaves: impl IntoIterator<Item = (B, ChainHead)>,
) -> Result<Verified, ChainBreak> {
    let mut found = Verified { leaves: 0, head: start };
    for (bytes, recorded) in leaves {
        let computed = found.head.next_bytes(bytes.as_ref());
        if computed != recorded {
            return Err(ChainBreak { position: found.leaves, computed, recorded });
        }
        found = Verified { leaves: found.leaves + 1, head: computed };
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::engine_started;
    use crate::base::Timestamp;
    use crate::message::Revision;

    fn chain(count: i64) -> Vec<(Leaf, ChainHead)> {
        let mut head = ChainHead::default();
        let leaf = |n| engine_started(Timestamp::from_micros(n), &Revision("r".into()));
        (0..count)
            .map(|n| {
                let leaf = leaf(n);
                head = head.next(&leaf);
                (leaf, head)
            })
            .collect()
    }

    fn run(leaves: &[(Leaf, ChainHead)]) -> Result<u64, u64> {
        verify(ChainHead::default(), leaves.iter().map(|(leaf, head)| (leaf, *head)))
            .map(|v| v.leaves)
            .map_err(|broken| broken.position)
    }

    #[test]
    fn a_whole_chain_verifies_and_any_change_breaks_it() {
        let whole = chain(5);
        assert_eq!(run(&whole), Ok(5));
        assert_eq!(run(&[]), Ok(0));
        assert_eq!(run(&whole[1..]), Err(0), "the first is missing");
        let mut changed = whole.clone();
        changed[2].0.actor = "mallory".into();
        assert_eq!(run(&changed), Err(2));
        let mut without = whole.clone();
        without.remove(3);
        assert_eq!(run(&without), Err(3));
        let mut swapped = whole.clone();
        swapped.swap(1, 2);
        assert_eq!(run(&swapped), Err(1));
        let mut head = whole;
        head[4].1.0[0] ^= 1;
        assert_eq!(run(&head), Err(4));
    }

    #[test]
    fn a_break_becomes_a_fault() {
        let broken = ChainBreak {
            position: 3,
            computed: ChainHead::default(),
            recorded: ChainHead([1; 32]),
        };
        assert_eq!(Fault::from(broken).cause(), Some("at record 3"));
    }

    #[test]
    fn heads_read_what_they_print() {
        let head = ChainHead([0xa0; 32]);
        assert_eq!(ChainHead::parse(&head.to_string()), Some(head));
        assert_eq!(format!("{head:?}"), "a0".repeat(32));
        for bad in ["", "a0", &"zz".repeat(32), &"é".repeat(32)] {
            assert_eq!(ChainHead::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn leaf_hash_is_that_of_rfc_6962() {
        // The hash of an empty leaf, as given in RFC 9162's and RFC 6962's test vectors.
        let empty = ChainHead(leaf_hash(b"")).to_string();
        assert_eq!(empty, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_ne!(ChainHead(leaf_hash(b"x")), ChainHead::default().next_bytes(b"x"));
    }
}
