//! Numbers as bytes and back: seven bits a byte, the lowest first; the highest bit of a byte says that more follow.
//!
//! Invariant: of all bytes that would mean a number, only those are taken that `put` writes.

/// Adds a number.
pub(super) fn put(mut number: u64, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

/// Adds numbers, one behind the other.
pub(super) fn put_all(numbers: &[u64], out: &mut Vec<u8>) {
    for number in numbers {
        put(*number, out);
    }
}

/// Takes a number from the beginning of bytes; `None` if none is there.
pub(super) fn take(input: &mut &[u8]) -> Option<u64> {
    let mut number: u64 = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        let placed = bits << shift;
        if placed >> shift != bits || byte == 0 && shift > 0 {
            return None;
        }
        number |= placed;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_and_no_other_bytes_mean_it() {
        let numbers = (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, u64::MAX - (1 << bit)]);
        for number in numbers.chain([u64::MAX]) {
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            for length in 0..bytes.len() {
                assert_eq!(take(&mut &bytes[..length]), None);
            }
            bytes.push(7);
            let mut rest = &bytes[..];
            assert_eq!((take(&mut rest), rest), (Some(number), &[7][..]));
        }
        assert_eq!(take(&mut &[0x80, 0][..]), None, "a longer zero");
        let most = [0xff; 9];
        assert_eq!(take(&mut &[&most[..], &[1]].concat()[..]), Some(u64::MAX));
        assert_eq!(take(&mut &[&most[..], &[2]].concat()[..]), None, "more bits than there are");
        assert_eq!(take(&mut &[0x80; 11][..]), None, "no end");
    }
}
