//! Where the value of a path stands in its segment: the way of reading that is taken most.
//!
//! Segments lie in a message, so a block of bytes may reach into the next one: what it finds
//! there is masked out. With AVX2 a block has 32 bytes and its marks are counted by one
//! instruction; elsewhere, and in the last bytes of a message, the walk of [`super::scan`] is
//! taken, which gives the same.

use std::ops::Range;

use super::charset::Charset;
use super::delimiters::Delimiters;
use super::scan;

/// That this machine has AVX2, BMI and POPCNT: asked once for a message, not for each path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors(());

impl Vectors {
    /// Asks the machine.
    #[inline]
    pub(super) fn of_machine() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        {
            let has_all = std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("bmi1")
                && std::arch::is_x86_feature_detected!("bmi2")
                && std::arch::is_x86_feature_detected!("popcnt");
            has_all.then_some(Self(()))
        }
        #[cfg(not(target_arch = "x86_64"))]
        None
    }
}

/// What is looked for in a segment: the number of its part, from 0, and numbers of repetition,
/// component and subcomponent, from 1, 0 for those that are not asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub part: usize,
    pub inside: [usize; 3],
}

/// Range of a value, in `bytes`, whose segment is at `segment`.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the features that the function needs were asked for")
)]
pub(super) fn seek(
    vectors: Option<Vectors>,
    bytes: &[u8],
    segment: Range<usize>,
    wanted: Wanted,
    delimiters: &Delimiters,
) -> Option<Range<usize>> {
    #[cfg(target_arch = "x86_64")]
    if vectors.is_some() && wide::reaches(bytes, &segment) {
        // SAFETY: `Vectors` is made only where the machine has all that is needed.
        return unsafe { wide::seek(bytes, segment, wanted, delimiters) };
    }
    let _ = vectors;
    let raw = bytes.get(segment.clone())?;
    let start = scan::start_of(raw, delimiters.field, wanted.part)?;
    let found = scan::walk(raw, start, wanted.inside, delimiters)?;
    Some(segment.start + found.start..segment.start + found.end)
}

/// Range of a whole field, in `bytes`, by the number of its part, from 0.
#[inline]
#[cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "the features that the function needs were asked for")
)]
pub(super) fn field(
    vectors: Option<Vectors>,
    bytes: &[u8],
    segment: Range<usize>,
    part: usize,
    separator: u8,
) -> Option<Range<usize>> {
    #[cfg(target_arch = "x86_64")]
    if vectors.is_some() && wide::reaches(bytes, &segment) {
        // SAFETY: `Vectors` is made only where the machine has all that is needed.
        return unsafe { wide::field(bytes, segment, part, separator) };
    }
    let _ = vectors;
    let raw = bytes.get(segment.clone())?;
    let found = scan::part(raw, separator, part, Charset::Latin1)?;
    Some(segment.start + found.start..segment.start + found.end)
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_or_si256, _mm256_set1_epi8,
        _mm256_setr_epi64x, _pdep_u32,
    };
    use std::ops::Range;

    use super::Wanted;
    use crate::hl7v2::delimiters::Delimiters;
    use crate::hl7v2::marks;

    const BLOCK: usize = 32;

    /// Whether a block that begins in a segment lies within the bytes around it.
    #[inline]
    pub(super) fn reaches(bytes: &[u8], segment: &Range<usize>) -> bool {
        segment.end.checked_add(BLOCK).is_some_and(|end| end <= bytes.len())
    }

    /// Bits of the bytes of the block at `at` that equal one of the marks, the first byte
    /// lowest; none at or behind `end`.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    fn any_of<const N: usize>(bytes: &[u8], at: usize, end: usize, marks: [__m256i; N]) -> u32 {
        marks::work(BLOCK.min(end - at));
        // There always is a block: see `reaches`.
        let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) else {
            return 0;
        };
        let (words, _) = block.as_chunks::<8>();
        let word = |i: usize| words.get(i).map_or(0, |word| i64::from_le_bytes(*word));
        // Four words in a row become one load, without a pointer.
        let block = _mm256_setr_epi64x(word(0), word(1), word(2), word(3));
        let mut found = _mm256_cmpeq_epi8(block, marks[0]);
        for mark in &marks[1..] {
            found = _mm256_or_si256(found, _mm256_cmpeq_epi8(block, *mark));
        }
        let bits = _mm256_movemask_epi8(found).cast_unsigned();
        match end - at {
            left @ 0..BLOCK => bits & ((1 << left) - 1),
            _ => bits,
        }
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) fn seek(
        bytes: &[u8],
        segment: Range<usize>,
        wanted: Wanted,
        delimiters: &Delimiters,
    ) -> Option<Range<usize>> {
        let start = start_of(bytes, segment.clone(), wanted.part, delimiters.field)?;
        inside(bytes, start..segment.end, wanted.inside, delimiters)
    }

    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    pub(super) fn field(
        bytes: &[u8],
        segment: Range<usize>,
        part: usize,
        separator: u8,
    ) -> Option<Range<usize>> {
        let start = start_of(bytes, segment.clone(), part, separator)?;
        let mark = [_mm256_set1_epi8(separator.cast_signed())];
        let mut at = start;
        while at < segment.end {
            let bits = any_of(bytes, at, segment.end, mark);
            if bits != 0 {
                return Some(start..at + bits.trailing_zeros() as usize);
            }
            at += BLOCK;
        }
        Some(start..segment.end)
    }

    /// Where a part begins, by its number from 0.
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    fn start_of(bytes: &[u8], segment: Range<usize>, part: usize, separator: u8) -> Option<usize> {
        let Range { start: mut at, end } = segment;
        let mark = [_mm256_set1_epi8(separator.cast_signed())];
        let mut left = part;
        if left == 0 {
            return Some(at);
        }
        while at < end {
            let bits = any_of(bytes, at, end, mark);
            let count = bits.count_ones() as usize;
            if count >= left {
                // The bit of that number alone: counting down to it would take a step for each.
                let bit = _pdep_u32(1 << (left - 1), bits);
                return Some(at + bit.trailing_zeros() as usize + 1);
            }
            left -= count;
            at += BLOCK;
        }
        None
    }

    /// As [`crate::hl7v2::scan::walk`].
    #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
    #[inline]
    fn inside(
        bytes: &[u8],
        within: Range<usize>,
        wanted: [usize; 3],
        delimiters: &Delimiters,
    ) -> Option<Range<usize>> {
        let Range { start: mut at, end } = within;
        let [mut repetitions, mut components, mut subcomponents] =
            wanted.map(|n| n.saturating_sub(1));
        let (by_component, by_subcomponent) = (wanted[1] > 0, wanted[2] > 0);
        let Delimiters { field, repetition, component, .. } = *delimiters;
        // No byte of a field is its separator, which so stands for none.
        let subcomponent = delimiters.subcomponent.unwrap_or(field);
        // A level that is not asked for divides nothing: its mark is not looked for.
        let third = if by_component { component } else { field };
        let fourth = if by_subcomponent { subcomponent } else { field };
        let marks = [field, repetition, third, fourth];
        let marks = marks.map(|mark| _mm256_set1_epi8(mark.cast_signed()));
        let mut from = at;
        while at < end {
            let mut bits = any_of(bytes, at, end, marks);
            while bits != 0 {
                let here = at + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let byte = bytes.get(here).copied().unwrap_or(field);
                let left = if byte == field {
                    return (repetitions | components | subcomponents == 0).then_some(from..here);
                } else if byte == repetition {
                    // The repetition ends, and with it whatever was looked for in it.
                    if repetitions == 0 {
                        return (components | subcomponents == 0).then_some(from..here);
                    }
                    &mut repetitions
                } else if repetitions > 0 {
                    continue;
                } else if byte == component {
                    if components == 0 {
                        return (subcomponents == 0).then_some(from..here);
                    }
                    &mut components
                } else if components > 0 {
                    continue;
                } else {
                    if subcomponents == 0 {
                        return Some(from..here);
                    }
                    &mut subcomponents
                };
                *left -= 1;
                from = here + 1;
            }
            at += BLOCK;
        }
        (repetitions | components | subcomponents == 0).then_some(from..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Both ways, where there are two.
    fn check(bytes: &[u8], segment: Range<usize>, wanted: Wanted, delimiters: &Delimiters) {
        let plain = seek(None, bytes, segment.clone(), wanted, delimiters);
        let found = seek(Vectors::of_machine(), bytes, segment.clone(), wanted, delimiters);
        let shown = bytes.get(segment.clone()).unwrap().escape_ascii().to_string();
        assert_eq!(found, plain, "{shown} {} {:?}", wanted.part, wanted.inside);
        let fields = [None, Vectors::of_machine()]
            .map(|by| field(by, bytes, segment.clone(), wanted.part, delimiters.field));
        assert_eq!(fields[0], fields[1], "{shown} {}", wanted.part);
        if let Some(found) = found {
            assert!(found.start >= segment.start && found.end <= segment.end);
        }
    }

    #[test]
    fn both_ways_find_the_same() {
        let text = "PID|1||5550042^^^EAST&1&ISO^MR~99&8^^^S^SS||Sample^J&o^Q|||~~|^^&|x\rOBX|1~2&3";
        // What follows a segment is none of its own.
        let all = [text, &"|~^&".repeat(8)].concat();
        for end in 3..=text.len() {
            for from in [0, 3, 30] {
                for part in 0..12 {
                    for inside in [[1, 0, 0], [2, 1, 0], [1, 4, 0], [1, 2, 2], [3, 1, 1]] {
                        let wanted = Wanted { part, inside };
                        check(all.as_bytes(), from.min(end)..end, wanted, &Delimiters::STANDARD);
                        let few = Delimiters { subcomponent: None, ..Delimiters::STANDARD };
                        check(all.as_bytes(), from.min(end)..end, wanted, &few);
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_the_same(
            text in "([a-z|^~&]{1,3}){0,60}", cut in 0usize..100, part in 0usize..9,
            inside in (1usize..4, 0usize..4, 0usize..3)
        ) {
            let (repetition, component, subcomponent) = inside;
            let subcomponent = if component == 0 { 0 } else { subcomponent };
            let wanted = Wanted { part, inside: [repetition, component, subcomponent] };
            let end = text.len().saturating_sub(cut % (text.len() + 1));
            let from = (cut / 2).min(end);
            check(text.as_bytes(), from..end, wanted, &Delimiters::STANDARD);
            let all = [&text, "|~^&|~^&".repeat(4).as_str()].concat();
            check(all.as_bytes(), from..end, wanted, &Delimiters::STANDARD);
        }
    }
}
