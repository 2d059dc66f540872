//! A file for what a replay must keep and has no room for: bytes in, a place out, and back.
//!
//! It belongs to one replay, has no name, and is gone with it. Invariant: what was put at a place is what is taken
//! from it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// A file that only grows.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    end: Mutex<u64>,
}

impl Spill {
    /// Uses `file` from its start.
    pub(super) fn new(file: File) -> Spill {
        Spill { file, end: Mutex::new(0) }
    }

    /// Keeps `data`; returns their place.
    pub(super) fn put(&self, data: &[u8]) -> io::Result<u64> {
        let place = {
            let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
            let place = *end;
            *end += data.len() as u64;
            place
        };
        self.file.write_all_at(data, place)?;
        Ok(place)
    }

    /// What was kept at `place`; `length` is at most `REQUEST_DATA_BYTES_MAX`.
    pub(super) fn get(&self, place: u64, length: u64) -> io::Result<Bytes> {
        let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut data, place)?;
        Ok(data.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_back_from_its_place() {
        let spill = Spill::new(tempfile::tempfile().unwrap());
        let places: Vec<u64> =
            [&b"one"[..], b"", b"three"].iter().map(|data| spill.put(data).unwrap()).collect();
        assert_eq!(places, [0, 3, 3]);
        assert_eq!(spill.get(3, 5).unwrap(), "three");
        assert_eq!(spill.get(0, 3).unwrap(), "one");
        assert!(spill.get(8, 1).is_err(), "nothing was put there");
    }
}
