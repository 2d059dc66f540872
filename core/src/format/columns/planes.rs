//! Lists of numbers to bytes and back: the lowest bytes of all numbers first, then the next, and so on.
//!
//! Knows no events. Invariant: any numbers come back, and a list takes no memory beyond its length times eight.
//!
//! Bytes of the same weight are alike, so zstd finds a table of codes for each plane; and taking them apart is
//! a loop without branches.

use super::super::decode::DecodeError;
use super::Column;

/// How a list of numbers lies in its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Layout {
    /// Planes of all numbers.
    Dense = 0,
    /// A bit for each number, lowest first, that says whether it is other than 0; then the planes of those.
    Sparse = 1,
}

impl Layout {
    pub(super) fn from_number(number: u8) -> Option<Layout> {
        [Layout::Dense, Layout::Sparse].get(usize::from(number)).copied()
    }
}

/// The planes of `numbers`, as few as hold the largest.
pub(super) fn dense(numbers: &[u64]) -> Vec<u8> {
    let all = numbers.iter().fold(0, |all, number| all | number);
    let width = (64 - all.leading_zeros()).div_ceil(8);
    let mut bytes = Vec::with_capacity(numbers.len() * width as usize);
    for plane in 0..width {
        bytes.extend(numbers.iter().map(|number| (number >> (8 * plane)).to_le_bytes()[0]));
    }
    bytes
}

/// The bits of `numbers`, and the planes of those that are not 0.
pub(super) fn sparse(numbers: &[u64]) -> Vec<u8> {
    let mut bytes: Vec<u8> = numbers
        .chunks(8)
        .map(|eight| {
            let bits = eight.iter().enumerate();
            bits.fold(0, |byte, (place, number)| byte | u8::from(*number != 0) << place)
        })
        .collect();
    let there: Vec<u64> = numbers.iter().copied().filter(|number| *number != 0).collect();
    bytes.extend(dense(&there));
    bytes
}

/// Takes `count` numbers out of the bytes of `column`. `count` was checked against the limit.
pub(super) fn numbers(
    column: Column,
    layout: Layout,
    bytes: &[u8],
    count: usize,
) -> Result<Vec<u64>, DecodeError> {
    if bytes.is_empty() {
        return Ok(vec![0; count]);
    }
    match layout {
        Layout::Dense => planes(column, bytes, count),
        Layout::Sparse => scattered(column, bytes, count),
    }
}

fn planes(column: Column, bytes: &[u8], count: usize) -> Result<Vec<u64>, DecodeError> {
    let wrong = DecodeError::Column { column: column.name(), bytes: bytes.len(), count };
    if count == 0 {
        return if bytes.is_empty() { Ok(Vec::new()) } else { Err(wrong) };
    }
    let width = bytes.len() / count;
    if !bytes.len().is_multiple_of(count) || width > 8 {
        return Err(wrong);
    }
    let mut planes = bytes.chunks_exact(count);
    Ok(match (width, planes.next(), planes.next()) {
        (1, Some(low), _) => low.iter().map(|low| u64::from(*low)).collect(),
        (2, Some(low), Some(high)) => low
            .iter()
            .zip(high)
            .map(|(low, high)| u64::from(*low) | u64::from(*high) << 8)
            .collect(),
        _ => {
            let mut numbers = vec![0; count];
            for (plane, bytes) in bytes.chunks_exact(count).enumerate() {
                for (number, byte) in numbers.iter_mut().zip(bytes) {
                    *number |= u64::from(*byte) << (8 * plane);
                }
            }
            numbers
        }
    })
}

fn scattered(column: Column, bytes: &[u8], count: usize) -> Result<Vec<u64>, DecodeError> {
    let wrong = DecodeError::Column { column: column.name(), bytes: bytes.len(), count };
    let (bits, rest) = bytes.split_at_checked(count.div_ceil(8)).ok_or(wrong.clone())?;
    let beyond =
        !count.is_multiple_of(8) && bits.last().is_some_and(|last| last >> (count % 8) != 0);
    let there: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
    if beyond {
        return Err(wrong);
    }
    let mut there = planes(column, rest, there as usize)?;
    // One more, so that the place behind the last can be looked at.
    there.push(0);
    let mut numbers = vec![0; count];
    let mut next = 0;
    for (eight, bits) in numbers.chunks_mut(8).zip(bits) {
        if *bits == 0 {
            continue;
        }
        for (place, number) in eight.iter_mut().enumerate() {
            let bit = u64::from(bits >> place & 1);
            *number = there[next] & bit.wrapping_neg();
            next += usize::from(bit == 1);
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMN: Column = Column::IssueOffset;

    fn lists() -> Vec<Vec<u64>> {
        let step = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let noise = std::iter::successors(Some(1), |state| Some(step(*state)));
        vec![
            vec![],
            vec![0; 20],
            vec![1],
            vec![u64::MAX, 0, 1 << 63],
            vec![255; 8],
            vec![300, 0, 0, 0, 0, 0, 0, 0, 0, 70_000],
            noise.clone().take(1000).collect(),
            noise.take(77).map(|number| if number % 3 == 0 { number >> 40 } else { 0 }).collect(),
        ]
    }

    #[test]
    fn any_numbers_come_back_in_either_layout() {
        for list in lists() {
            for (layout, bytes) in [(Layout::Dense, dense(&list)), (Layout::Sparse, sparse(&list))]
            {
                assert_eq!(numbers(COLUMN, layout, &bytes, list.len()), Ok(list.clone()));
                assert_eq!(Layout::from_number(layout as u8), Some(layout));
            }
        }
        assert!(dense(&[0; 20]).is_empty(), "zeroes take no bytes");
        assert_eq!(dense(&[0x0201, 0x0403]), [1, 3, 2, 4]);
        assert_eq!(sparse(&[0, 7, 0]), [0b010, 7]);
    }

    #[test]
    fn bytes_that_do_not_fit_the_count_are_refused() {
        let wrong = |layout, bytes: &[u8], count| {
            assert!(numbers(COLUMN, layout, bytes, count).is_err(), "{bytes:?} for {count}");
        };
        wrong(Layout::Dense, &[1, 2, 3], 2);
        wrong(Layout::Dense, &[1], 0);
        wrong(Layout::Dense, &[1; 9], 1);
        wrong(Layout::Sparse, &[1; 10], 1);
        wrong(Layout::Sparse, &[0b10, 1], 1);
        wrong(Layout::Sparse, &[0b11, 1, 2, 3], 2);
        wrong(Layout::Sparse, &[1], 9);
        wrong(Layout::Sparse, &[0, 5], 1);
    }
}
