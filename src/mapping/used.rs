//! Which bytes of the input somebody read.

use std::cell::Cell;
use std::ops::Range;

/// One bit a byte of the message; a value counts as read when its first byte is marked.
///
/// A bitmap, because marking must cost next to nothing on the way and counting what is left
/// happens once at the end.
#[derive(Debug)]
pub(crate) struct Used(Box<[Cell<u64>]>);

impl Used {
    /// Nothing read yet of `bytes` bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(vec![Cell::new(0); bytes.div_ceil(64)].into_boxed_slice())
    }

    /// Marks a range as read.
    pub(crate) fn mark(&self, range: Range<usize>) {
        let mut at = range.start;
        while at < range.end {
            let Some(word) = self.0.get(at / 64) else { return };
            let low = at % 64;
            let bits = (range.end - at).min(64 - low);
            let mask = if bits == 64 { u64::MAX } else { ((1 << bits) - 1) << low };
            word.set(word.get() | mask);
            at += bits;
        }
    }

    /// Whether the byte was read.
    pub(crate) fn has(&self, at: usize) -> bool {
        self.0.get(at / 64).is_some_and(|word| word.get() & (1 << (at % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_ranges_across_words() {
        let check = |bytes: usize, range: Range<usize>| {
            let used = Used::new(bytes);
            used.mark(range.clone());
            for at in 0..bytes + 70 {
                assert_eq!(used.has(at), at < bytes.next_multiple_of(64) && range.contains(&at));
            }
        };
        check(0, 0..0);
        check(1, 0..1);
        check(200, 3..3);
        check(200, 60..70);
        check(200, 0..200);
        check(200, 64..128);
        check(64, 10..500);
    }
}
