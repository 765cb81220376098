//! Where marks stand in a few bytes: compared a block at a time, one bit a byte.
//!
//! On x86-64 a block is compared by SSE2, which every such machine has, so that nothing is
//! asked at run time and all of it is inlined; elsewhere by arithmetic on words. The pass
//! over whole messages takes AVX2 where there is any: see [`super::scan`].

#[cfg(test)]
thread_local! {
    static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts bytes looked at, in tests alone, which see by it whether work grows with input.
#[inline(always)]
pub(super) fn work(bytes: usize) {
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + bytes));
    let _ = bytes;
}

/// Bytes that some work looks at.
#[cfg(test)]
pub(crate) fn worked<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = WORK.with(std::cell::Cell::get);
    let done = work();
    (WORK.with(std::cell::Cell::get) - before, done)
}

/// Bytes compared at once.
pub(super) const BLOCK: usize = 16;

/// Bits of the bytes that equal one of the marks, the first byte lowest.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "SSE2 is part of x86-64, which the compiler does not conclude")]
#[inline(always)]
pub(super) fn any_of<const N: usize>(block: &[u8; BLOCK], marks: [u8; N]) -> u32 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
        _mm_setzero_si128,
    };
    // SAFETY: the block has the 16 bytes that are loaded, from any address.
    unsafe {
        let bytes = _mm_loadu_si128(block.as_ptr().cast());
        let mut found = _mm_setzero_si128();
        for mark in marks {
            found = _mm_or_si128(found, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(mark.cast_signed())));
        }
        _mm_movemask_epi8(found).cast_unsigned()
    }
}

/// Bits of the bytes that equal one of the marks, the first byte lowest.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn any_of<const N: usize>(block: &[u8; BLOCK], marks: [u8; N]) -> u32 {
    any_of_words(block, marks)
}

/// The same by arithmetic on words.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn any_of_words<const N: usize>(block: &[u8; BLOCK], marks: [u8; N]) -> u32 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let word = u128::from_le_bytes(*block);
    let mut bits = 0;
    for (half, shift) in [(word as u64, 0), ((word >> 64) as u64, 8)] {
        let mut high = 0;
        for mark in marks {
            let differs = half ^ u64::from_ne_bytes([mark; 8]);
            // The high bit of each byte that does not differ.
            high |= !(((differs & LOW) + LOW) | differs | LOW);
        }
        // The product gathers the eight high bits in the topmost byte.
        bits |= (((high >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32) << shift;
    }
    bits
}

/// The bytes as text, where all are ASCII and none is the mark.
#[expect(unsafe_code, reason = "a second look at every byte of every value that is read")]
#[inline]
pub(super) fn plain(bytes: &[u8], mark: Option<u8>) -> Option<&str> {
    // No byte of plain text has its high bit set, so such a mark is none.
    let mark = mark.unwrap_or(0xff);
    let is_plain = match bytes.last_chunk::<BLOCK>() {
        Some(last) => {
            let (blocks, _) = bytes.as_chunks::<BLOCK>();
            blocks.iter().chain([last]).all(|b| b.is_ascii() && any_of(b, [mark]) == 0)
        }
        None => is_plain_word(bytes, mark),
    };
    // SAFETY: ASCII is UTF-8.
    is_plain.then(|| unsafe { std::str::from_utf8_unchecked(bytes) })
}

/// Whether all of fewer bytes than a block are ASCII and none is the mark: by two words that
/// overlap, since most values that are read are that short.
#[inline]
fn is_plain_word(bytes: &[u8], mark: u8) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let is_plain = |word: u64| {
        let differs = word ^ u64::from_ne_bytes([mark; 8]);
        // The last term has a bit where a byte of the difference is zero, and maybe one above
        // such a byte, which changes no answer.
        (word | (differs.wrapping_sub(HIGH >> 7) & !differs)) & HIGH == 0
    };
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return is_plain(u64::from_ne_bytes(*first)) && is_plain(u64::from_ne_bytes(*last));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|word| u64::from(u32::from_le_bytes(*word)));
        return is_plain(first | last << 32);
    }
    bytes.iter().all(|b| b.is_ascii() && *b != mark)
}

/// The blocks of some bytes in turn: where each begins, and the bits of its marks.
///
/// The last block overlaps the one before it, its bits then shifted to what is new; of
/// fewer bytes than a block the bits are found one by one.
pub(super) struct Blocks<'a, const N: usize> {
    bytes: &'a [u8],
    marks: [u8; N],
    at: usize,
}

impl<'a, const N: usize> Blocks<'a, N> {
    #[inline(always)]
    pub fn new(bytes: &'a [u8], from: usize, marks: [u8; N]) -> Self {
        Self { bytes, marks, at: from }
    }
}

impl<const N: usize> Iterator for Blocks<'_, N> {
    type Item = (usize, u32);

    #[inline(always)]
    fn next(&mut self) -> Option<(usize, u32)> {
        let at = self.at;
        let rest = self.bytes.get(at..)?;
        work(rest.len().min(BLOCK));
        self.at = at + BLOCK;
        if let Some(block) = rest.first_chunk() {
            return Some((at, any_of(block, self.marks)));
        }
        if rest.is_empty() {
            return None;
        }
        let bits = match self.bytes.last_chunk() {
            Some(block) => any_of(block, self.marks) >> (BLOCK - rest.len()),
            None => {
                let hit = |(i, b): (usize, &u8)| u32::from(self.marks.contains(b)) << i;
                rest.iter().enumerate().map(hit).fold(0, |all, bit| all | bit)
            }
        };
        Some((at, bits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_agree_with_a_plain_search() {
        let long = "a|bb^^ccc~|&\u{fc}".repeat(9);
        for length in 0..long.len() {
            let bytes = &long.as_bytes()[..length];
            for from in 0..=length {
                let marks = [b'|', b'^', b'&'];
                let found: Vec<usize> = Blocks::new(bytes, from, marks)
                    .flat_map(|(at, bits)| {
                        (0..BLOCK).filter(move |i| bits >> i & 1 == 1).map(move |i| at + i)
                    })
                    .collect();
                let plain: Vec<usize> =
                    (from..length).filter(|i| marks.contains(&bytes[*i])).collect();
                assert_eq!(found, plain, "{length} {from}");
            }
        }
    }

    #[test]
    fn plain_text_is_told() {
        for length in 0..70 {
            let mut bytes = vec![b'a'; length];
            assert_eq!(plain(&bytes, Some(b'\\')).map(str::len), Some(length));
            for at in 0..length {
                for (byte, mark) in [(b'\\', Some(b'\\')), (0xe9, None), (0xff, Some(b'\\'))] {
                    bytes[at] = byte;
                    assert_eq!(plain(&bytes, mark), None, "{length} {at}");
                }
                bytes[at] = b'a';
            }
        }
        assert_eq!(plain(b"a\\b", None), Some("a\\b"));
    }

    #[test]
    fn words_agree_with_vectors() {
        for seed in 0..2000_u32 {
            let block: [u8; BLOCK] = std::array::from_fn(|i| {
                (seed.wrapping_mul(2_654_435_761).rotate_left(i as u32 * 3) >> 5) as u8 & 0x8f
            });
            let marks = [block[seed as usize % BLOCK], 0x8f, 0];
            assert_eq!(any_of_words(&block, marks), any_of(&block, marks), "{block:?}");
        }
    }
}
