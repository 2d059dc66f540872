//! A stream that can be read like a file: what has arrived is kept in a file, what has not is waited for.
//!
//! Bytes come in once, in order; any number of readers go back and forth over them. Invariant: memory holds
//! one buffer, whatever the length of the stream, and nothing is read ahead of what somebody asked for, but for
//! that buffer.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How much is taken from the stream at once, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

/// One reader of a stream.
#[derive(Debug)]
pub struct Spool {
    stream: Arc<Mutex<Stream>>,
    at: u64,
}

/// What all readers share.
struct Stream {
    source: Box<dyn Read + Send>,
    kept: File,
    length: u64,
    ended: bool,
    buffer: Vec<u8>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("length", &self.length).finish_non_exhaustive()
    }
}

impl Spool {
    /// Reads `source` and keeps it in `kept`, which is empty and nobody else's.
    pub fn new(source: Box<dyn Read + Send>, kept: File) -> Spool {
        let buffer = vec![0; BUFFER_BYTES];
        let stream = Stream { source, kept, length: 0, ended: false, buffer };
        Spool { stream: Arc::new(Mutex::new(stream)), at: 0 }
    }

    /// Another reader of the same stream, from its beginning.
    #[must_use]
    pub fn again(&self) -> Spool {
        Spool { stream: Arc::clone(&self.stream), at: 0 }
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    /// Waits until more than `length` bytes have arrived, or all.
    fn pull(&mut self, length: u64) -> io::Result<()> {
        while self.length <= length && !self.ended {
            let taken = match self.source.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                taken => taken?,
            };
            self.kept
                .write_all_at(&self.buffer[..taken], self.length)
                .map_err(|error| cannot_keep(&error))?;
            self.length += taken as u64;
            self.ended = taken == 0;
        }
        Ok(())
    }
}

fn cannot_keep(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot keep what was read in a temporary file: {error}"))
}

impl Read for Spool {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut stream = self.stream();
        stream.pull(self.at)?;
        let left = usize::try_from(stream.length.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = bytes.len().min(left);
        let read = stream.kept.read_at(&mut bytes[..length], self.at)?;
        drop(stream);
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Spool {
    /// Seeking from the end waits for it.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                let mut stream = self.stream();
                stream.pull(u64::MAX)?;
                stream.length.checked_add_signed(by)
            }
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time, and counts them.
    struct Drip {
        next: u8,
        end: u8,
        given: Arc<Mutex<u64>>,
    }

    impl Read for Drip {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            if self.next == self.end {
                return Ok(0);
            }
            bytes[0] = self.next;
            self.next += 1;
            *self.given.lock().unwrap() += 1;
            Ok(1)
        }
    }

    fn dripping(end: u8) -> (Spool, Arc<Mutex<u64>>) {
        let given = Arc::default();
        let drip = Drip { next: 0, end, given: Arc::clone(&given) };
        (Spool::new(Box::new(drip), tempfile::tempfile().unwrap()), given)
    }

    #[test]
    fn no_more_is_waited_for_than_was_asked() {
        let (mut spool, given) = dripping(200);
        let mut bytes = [0; 3];
        spool.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes, *given.lock().unwrap()), ([0, 1, 2], 3));
        spool.seek(SeekFrom::Start(99)).unwrap();
        spool.read_exact(&mut bytes[..1]).unwrap();
        assert_eq!((bytes[0], *given.lock().unwrap()), (99, 100));
        spool.seek(SeekFrom::Start(1)).unwrap();
        spool.read_exact(&mut bytes).unwrap();
        assert_eq!((bytes, *given.lock().unwrap()), ([1, 2, 3], 100));
    }

    #[test]
    fn the_end_is_where_the_stream_ends_for_every_reader() {
        let (mut spool, _) = dripping(50);
        let mut other = spool.again();
        assert_eq!(spool.seek(SeekFrom::End(0)).unwrap(), 50);
        assert_eq!(spool.read(&mut [0; 9]).unwrap(), 0);
        assert_eq!(spool.seek(SeekFrom::Start(1000)).unwrap(), 1000);
        assert_eq!(spool.read(&mut [0; 9]).unwrap(), 0);
        let mut all = Vec::new();
        other.read_to_end(&mut all).unwrap();
        assert_eq!(all, (0..50).collect::<Vec<u8>>());
        assert!(other.seek(SeekFrom::Current(-51)).is_err());
    }
}
