//! Makes a changed trace believable: lengths, places and checksums fit again, so that the change is looked at.
//!
//! Written from `book/src/reference/format.md`, not with the code it tests. Invariant: bytes that are no length,
//! place or checksum stay as they are.

/// Bytes of the header before the metadata, and of a chunk's header.
const FIXED: usize = 52;
const CHUNK: usize = 84;

/// How much is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mend {
    /// Checksums only.
    Sums,
    /// Lengths, salts, sequence numbers, places and checksums.
    All,
}

/// Mends a trace as far as it has the parts of one.
pub(crate) fn mend(trace: &mut [u8], how: Mend) {
    let starts = chunk_starts(trace);
    let header_end = match how {
        Mend::All => starts.first().copied().unwrap_or(trace.len()),
        Mend::Sums => number(trace, 16, 4).try_into().unwrap_or(usize::MAX),
    };
    if header_end < FIXED + 4 || header_end > trace.len() {
        return;
    }
    let magic = b"\x89BLKR\r\n\x1a\n\0\0\0\x01\0";
    trace[..magic.len()].copy_from_slice(magic);
    put(trace, 16, 4, header_end as u64);
    seal(trace, 0, header_end);
    let salt = number(trace, 44, 8);
    let mut walk = Walk { salt, sequence: 0, events: 0, payloads: 0 };
    for (place, start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(trace.len());
        walk.chunk(&mut trace[*start..end], how);
    }
}

/// What the next chunk must say of its place.
struct Walk {
    salt: u64,
    sequence: u64,
    events: u64,
    payloads: u64,
}

impl Walk {
    /// Mends a chunk with all that lies behind it up to the next.
    fn chunk(&mut self, chunk: &mut [u8], how: Mend) {
        let header_len = number(chunk, 8, 2) as usize;
        if !(CHUNK..=chunk.len()).contains(&header_len) {
            return;
        }
        if how == Mend::All {
            self.place(chunk, header_len);
        }
        let summary_end = header_len.saturating_add(number(chunk, 12, 4) as usize);
        let body_end = summary_end.saturating_add(number(chunk, 36, 4) as usize);
        if let Some(summary) = chunk.get(header_len..summary_end) {
            let sum = crc32c::crc32c(summary);
            put(chunk, 72, 4, sum.into());
        }
        if let Some(body) = chunk.get(summary_end..body_end) {
            let sum = crc32c::crc32c(body);
            put(chunk, 76, 4, sum.into());
        }
        seal(chunk, 0, header_len);
    }

    fn place(&mut self, chunk: &mut [u8], header_len: usize) {
        let summary_len = number(chunk, 12, 4).min((chunk.len() - header_len) as u64);
        let stored_len = (chunk.len() - header_len) as u64 - summary_len;
        put(chunk, 12, 4, summary_len);
        put(chunk, 36, 4, stored_len);
        if chunk[7] == 0 {
            put(chunk, 32, 4, stored_len);
        }
        put(chunk, 16, 8, self.salt);
        put(chunk, 24, 8, self.sequence);
        self.sequence += 1;
        let (count, lost) = (number(chunk, 40, 4), number(chunk, 44, 4));
        match number(chunk, 4, 2) {
            1 => {
                put(chunk, 48, 8, self.events.wrapping_add(lost));
                self.events = self.events.wrapping_add(lost).wrapping_add(count);
            }
            2 => {
                put(chunk, 48, 8, self.payloads);
                self.payloads = self.payloads.wrapping_add(count);
            }
            _ => {}
        }
    }
}

/// Every place where a chunk may begin and its header would fit.
fn chunk_starts(trace: &[u8]) -> Vec<usize> {
    let magic = b"BLKC";
    let places = FIXED + 4..trace.len().saturating_sub(CHUNK - 1);
    places.filter(|place| trace[*place..].starts_with(magic)).collect()
}

/// Puts the checksum of `start..end - 4` into the last four bytes.
fn seal(bytes: &mut [u8], start: usize, end: usize) {
    let sum = crc32c::crc32c(&bytes[start..end - 4]);
    put(bytes, end - 4, 4, sum.into());
}

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let mut array = [0; 8];
    if let Some(found) = bytes.get(at..at + width) {
        array[..width].copy_from_slice(found);
    }
    u64::from_le_bytes(array)
}

fn put(bytes: &mut [u8], at: usize, width: usize, value: u64) {
    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
}
