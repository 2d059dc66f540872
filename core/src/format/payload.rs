//! Stored payloads: the body of a chunk of payloads, and the store that finds equal ones while writing.
//!
//! A body is the payloads one after another, then a table with one entry each. No I/O. Invariant: two
//! payloads share a number only if their bytes were compared and are equal.

use std::collections::{HashMap, VecDeque};
use std::mem;

use bytes::Bytes;

use super::frame::{CHUNK_HEADER_BYTES, array_at, u32_at};
use crate::event::PayloadId;
use crate::limits::DEDUP_BYTES;
use crate::request::Digest;
use crate::units::Nanos;

/// An entry of the table: length u32, digest 16 bytes.
pub(super) const ENTRY_BYTES: usize = 20;

/// Where a payload lies that may be named again.
#[derive(Debug, Clone, Copy)]
struct Place {
    id: u64,
    /// Counted from the first chunk that was ever sealed.
    chunk: u64,
    start: usize,
    length: usize,
}

/// The payloads of the chunk that is being filled, and those of the last ones.
#[derive(Debug)]
pub(super) struct Store {
    /// Room for the chunk's header, then the payloads.
    filling: Vec<u8>,
    entries: Vec<(u32, Digest)>,
    times: Option<(Nanos, Nanos)>,
    next: u64,
    known: HashMap<Digest, Place, foldhash::fast::RandomState>,
    kept: VecDeque<Vec<u8>>,
    kept_bytes: usize,
    /// Chunks that were kept and are no more.
    forgotten: u64,
}

/// A whole chunk of payloads but for its header, for which there is room in front.
#[derive(Debug)]
pub(super) struct Sealed {
    /// [`CHUNK_HEADER_BYTES`] of room, then the body.
    pub(super) chunk: Vec<u8>,
    pub(super) count: u32,
    pub(super) first: u64,
    pub(super) time_first: Nanos,
    pub(super) time_last: Nanos,
    digests: Vec<(u32, Digest)>,
}

impl Store {
    pub(super) fn new() -> Store {
        Store {
            filling: vec![0; CHUNK_HEADER_BYTES],
            entries: Vec::new(),
            times: None,
            next: 0,
            known: HashMap::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            forgotten: 0,
        }
    }

    /// The number of `data`: a new one, or that of equal data which are still in memory. The second part
    /// says which: whether they were added.
    pub(super) fn put(&mut self, digest: Digest, data: &[u8], time: Nanos) -> (PayloadId, bool) {
        if let Some(place) = self.known.get(&digest)
            && self.bytes(place) == Some(data)
        {
            return (PayloadId(place.id), false);
        }
        let length = u32::try_from(data.len()).expect("a request's data are within its limit");
        let place = Place {
            id: self.next,
            chunk: self.forgotten + self.kept.len() as u64,
            start: self.filling.len(),
            length: data.len(),
        };
        self.filling.extend_from_slice(data);
        self.entries.push((length, digest));
        self.known.insert(digest, place);
        self.times = Some((self.times.map_or(time, |(first, _)| first), time));
        self.next += 1;
        (PayloadId(place.id), true)
    }

    fn bytes(&self, place: &Place) -> Option<&[u8]> {
        let kept = usize::try_from(place.chunk.checked_sub(self.forgotten)?).ok()?;
        let chunk = self.kept.get(kept).unwrap_or(&self.filling);
        chunk.get(place.start..place.start + place.length)
    }

    /// Length of the body that is being filled.
    pub(super) fn len(&self) -> usize {
        self.filling.len() - CHUNK_HEADER_BYTES + self.entries.len() * ENTRY_BYTES
    }

    /// Ends the chunk that is being filled; `None` if it is empty. Nothing may be put until it is back
    /// with [`Store::keep`].
    pub(super) fn seal(&mut self) -> Option<Sealed> {
        let (time_first, time_last) = self.times.take()?;
        let digests = mem::take(&mut self.entries);
        let mut chunk = mem::take(&mut self.filling);
        for (length, digest) in &digests {
            chunk.extend(length.to_le_bytes());
            chunk.extend(digest.0.to_le_bytes());
        }
        let count = u32::try_from(digests.len()).expect("a chunk has room for fewer entries");
        let first = self.next - u64::from(count);
        Some(Sealed { chunk, count, first, time_first, time_last, digests })
    }

    /// Keeps a chunk that was written, to find equal payloads, and forgets the oldest beyond the limit.
    /// One that is forgotten is filled again: its pages are there already.
    pub(super) fn keep(&mut self, sealed: Sealed) {
        self.kept_bytes += sealed.chunk.capacity();
        self.kept.push_back(sealed.chunk);
        self.entries = sealed.digests;
        self.entries.clear();
        let mut spare = Vec::new();
        while self.kept_bytes > DEDUP_BYTES {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= oldest.capacity();
            self.forget(&oldest);
            spare = oldest;
        }
        spare.clear();
        spare.resize(CHUNK_HEADER_BYTES, 0);
        self.filling = spare;
    }

    /// Strikes out what is known of the oldest chunk, going by its table.
    fn forget(&mut self, oldest: &[u8]) {
        let gone = self.forgotten;
        self.forgotten += 1;
        let mut end = oldest.len();
        let mut data = 0;
        // The table is read from its end; it ends where the data that it names begin.
        while end - data > CHUNK_HEADER_BYTES {
            end -= ENTRY_BYTES;
            data += u32_at(oldest, end) as usize;
            let digest = Digest(u128::from_le_bytes(array_at(oldest, end + 4)));
            if self.known.get(&digest).is_some_and(|place| place.chunk == gone) {
                self.known.remove(&digest);
            }
        }
    }
}

/// Why the body of a chunk of payloads is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// The table does not fit.
    #[error("a chunk of {bytes} bytes claims {count} payloads")]
    Table {
        /// Length of the body.
        bytes: usize,
        /// Payloads that it is said to hold.
        count: u32,
    },
    /// The payloads are more or less than the bytes there are.
    #[error("payloads of {claimed} bytes are claimed, there are {bytes}")]
    Data {
        /// Sum of the lengths in the table.
        claimed: u64,
        /// Bytes before the table.
        bytes: usize,
    },
    /// The bytes of a payload have another digest than the table says.
    #[error("payload {id} has the digest {found}, its table says {said}")]
    Digest {
        /// Which.
        id: u64,
        /// Digest of its bytes.
        found: Digest,
        /// Digest in the table.
        said: Digest,
    },
}

/// An unpacked body of a chunk of payloads.
#[derive(Debug, Clone)]
pub(super) struct Payloads {
    first: u64,
    data: Bytes,
    /// Where each payload ends, and its digest.
    table: Vec<(usize, Digest)>,
}

impl Payloads {
    /// Reads the table of `body`.
    pub(super) fn new(mut body: Vec<u8>, first: u64, count: u32) -> Result<Payloads, PayloadError> {
        let bytes = body.len();
        let table_len = (count as usize).checked_mul(ENTRY_BYTES);
        let split = table_len.and_then(|length| bytes.checked_sub(length));
        let split = split.ok_or(PayloadError::Table { bytes, count })?;
        let entries = body.split_off(split);
        let mut table = Vec::with_capacity(count as usize);
        let mut end = 0;
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            end += u64::from(u32_at(entry, 0));
            let place = usize::try_from(end).unwrap_or(usize::MAX);
            table.push((place, Digest(u128::from_le_bytes(array_at(entry, 4)))));
        }
        if end != split as u64 {
            return Err(PayloadError::Data { claimed: end, bytes: split });
        }
        Ok(Payloads { first, data: body.into(), table })
    }

    /// The bytes of a payload, its digest unchecked; `None` if it is not in this chunk.
    pub(super) fn unchecked(&self, id: PayloadId) -> Option<(Bytes, Digest)> {
        let place = usize::try_from(id.0.checked_sub(self.first)?).ok()?;
        let (end, digest) = *self.table.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.table[before].0);
        Some((self.data.slice(start..end), digest))
    }

    /// The bytes of a payload; `None` if it is not in this chunk.
    pub(super) fn get(&self, id: PayloadId) -> Result<Option<Bytes>, PayloadError> {
        let Some((data, said)) = self.unchecked(id) else { return Ok(None) };
        let found = Digest::of(&data);
        if found == said {
            Ok(Some(data))
        } else {
            Err(PayloadError::Digest { id: id.0, found, said })
        }
    }

    /// Number of the first payload.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The memory of all payloads, with nothing in it; `None` if somebody still has one of them.
    pub(super) fn into_memory(self) -> Option<Vec<u8>> {
        let mut memory = Vec::from(self.data.try_into_mut().ok()?);
        memory.clear();
        Some(memory)
    }

    /// Length of the unpacked body.
    pub(super) fn bytes(&self) -> usize {
        self.data.len() + self.table.len() * ENTRY_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos(5);

    fn put(store: &mut Store, data: &[u8]) -> (u64, bool) {
        let (id, added) = store.put(Digest::of(data), data, NOW);
        (id.0, added)
    }

    fn body(sealed: &Sealed) -> Payloads {
        let body = sealed.chunk[CHUNK_HEADER_BYTES..].to_vec();
        Payloads::new(body, sealed.first, sealed.count).unwrap()
    }

    #[test]
    fn the_memory_of_payloads_comes_back_when_nobody_has_one_of_them_any_more() {
        let body = [vec![5; 1000], 1000_u32.to_le_bytes().to_vec(), vec![0; 16]].concat();
        let payloads = Payloads::new(body, 0, 1).unwrap();
        let (one, _) = payloads.unchecked(PayloadId(0)).unwrap();
        assert_eq!(payloads.clone().into_memory(), None);
        drop(one);
        let memory = payloads.into_memory().unwrap();
        assert!(memory.is_empty() && memory.capacity() >= 1000);
    }

    #[test]
    fn equal_payloads_share_a_number_also_across_chunks() {
        let mut store = Store::new();
        assert_eq!(put(&mut store, b"one"), (0, true));
        assert_eq!(put(&mut store, b"two"), (1, true));
        assert_eq!(put(&mut store, b"one"), (0, false));
        let sealed = store.seal().unwrap();
        assert_eq!(body(&sealed).get(PayloadId(1)).unwrap().unwrap(), "two");
        store.keep(sealed);
        assert_eq!(put(&mut store, b"two"), (1, false));
        assert_eq!(put(&mut store, b"three"), (2, true));
        let sealed = store.seal().unwrap();
        assert_eq!((sealed.first, sealed.count), (2, 1));
        assert_eq!(body(&sealed).get(PayloadId(2)).unwrap().unwrap(), "three");
        assert!(body(&sealed).get(PayloadId(1)).unwrap().is_none());
    }

    #[test]
    fn two_payloads_with_one_digest_are_both_kept() {
        let mut store = Store::new();
        let digest = Digest(42);
        assert_eq!(store.put(digest, b"one", NOW), (PayloadId(0), true));
        assert_eq!(store.put(digest, b"two", NOW), (PayloadId(1), true));
        let sealed = store.seal().unwrap();
        let body = body(&sealed);
        assert_eq!(body.unchecked(PayloadId(0)).unwrap().0, "one");
        assert_eq!(body.unchecked(PayloadId(1)).unwrap().0, "two");
        let found = Digest::of(b"one");
        assert_eq!(
            body.get(PayloadId(0)),
            Err(PayloadError::Digest { id: 0, found, said: digest }),
            "nobody is told that these bytes have that digest"
        );
    }

    #[test]
    fn what_is_beyond_the_limit_is_forgotten_and_stored_again() {
        let mut store = Store::new();
        let chunks = DEDUP_BYTES / (8 << 20) + 1;
        for chunk in 0..chunks {
            let data = vec![u8::try_from(chunk + 1).unwrap(); 8 << 20];
            assert_eq!(put(&mut store, &data), (chunk as u64, true));
            let sealed = store.seal().unwrap();
            store.keep(sealed);
            assert!(store.kept_bytes <= DEDUP_BYTES);
        }
        assert_eq!(store.known.len(), store.kept.len(), "the rest is forgotten");
        assert!(!put(&mut store, &vec![u8::try_from(chunks).unwrap(); 8 << 20]).1);
        assert_eq!(put(&mut store, &vec![1; 8 << 20]), (chunks as u64, true));
    }

    #[test]
    fn an_empty_store_seals_nothing() {
        assert!(Store::new().seal().is_none());
        assert_eq!(Store::new().len(), 0);
    }

    #[test]
    fn tables_that_do_not_fit_their_body_are_refused() {
        assert_eq!(
            Payloads::new(vec![0; 39], 0, 2).unwrap_err(),
            PayloadError::Table { bytes: 39, count: 2 }
        );
        assert_eq!(
            Payloads::new(vec![9; 30], 0, u32::MAX).unwrap_err(),
            PayloadError::Table { bytes: 30, count: u32::MAX }
        );
        let mut body = vec![1, 2, 3];
        body.extend(4_u32.to_le_bytes());
        body.extend([0; 16]);
        assert_eq!(
            Payloads::new(body, 0, 1).unwrap_err(),
            PayloadError::Data { claimed: 4, bytes: 3 }
        );
    }
}
