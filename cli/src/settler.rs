//! Lets a long trace leave the page cache while it grows.
//!
//! Nobody reads soon what a recording of gigabytes wrote first; left alone it would push the image that is recorded out of
//! memory, and the system needs longer to find new pages than to use the same again. So what was written is sent to the disk
//! at once, and forgotten some way behind. That is advice to the system, given by a thread that nobody waits for: a slow disk
//! holds up neither clients nor the trace, which then stays in memory as long as it takes. Invariant: no byte is changed.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::fs::{Advice, fadvise};

/// How much of the end of a trace stays, in bytes; a shorter one stays whole.
const KEPT_BYTES: u64 = 64 << 20;

/// Told how far a file has grown.
#[derive(Debug)]
pub(crate) struct Settler {
    ends: SyncSender<u64>,
}

impl Settler {
    /// For a file that grows.
    pub(crate) fn start(file: &File) -> io::Result<Settler> {
        let file = file.try_clone()?;
        let (ends, told) = sync_channel(1);
        thread::Builder::new().name("settler".to_owned()).spawn(move || settle(&file, &told))?;
        Ok(Settler { ends })
    }

    /// So many bytes are in the file. Never waits.
    pub(crate) fn grown(&self, end: u64) {
        // One that is busy is told with the next chunk, of this one too.
        let _ = self.ends.try_send(end);
    }
}

/// The thread: follows the file until nobody tells of it any more.
fn settle(file: &File, told: &Receiver<u64>) {
    let (mut sent, mut forgotten) = (0, 0);
    while let Ok(end) = told.recv() {
        let Some(kept_from) = end.checked_sub(KEPT_BYTES) else { continue };
        // What is not on the disk yet is only sent there by this, and stays.
        advise(file, sent..end);
        advise(file, forgotten..kept_from);
        sent = end;
        // Once more for the last ones, which may not have been on the disk.
        forgotten = kept_from.saturating_sub(KEPT_BYTES);
    }
}

fn advise(file: &File, range: Range<u64>) {
    if let Some(length) = NonZeroU64::new(range.end.saturating_sub(range.start)) {
        // Where it cannot be followed, nothing is lost.
        let _ = fadvise(file, range.start, Some(length), Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_file_that_is_let_go_of_keeps_every_byte() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let mut file = File::create_new(&path).unwrap();
        let (ends, told) = sync_channel(1);
        let settling = thread::spawn({
            let file = file.try_clone().unwrap();
            move || settle(&file, &told)
        });
        let piece = |number: u8| vec![number; 1 << 20];
        let count = 3 * u8::try_from(KEPT_BYTES >> 20).unwrap();
        for number in 0..count {
            file.write_all(&piece(number)).unwrap();
            ends.send((u64::from(number) + 1) << 20).unwrap();
        }
        drop(ends);
        settling.join().unwrap();
        let mut file = File::open(&path).unwrap();
        let mut found = vec![0; 1 << 20];
        for number in 0..count {
            file.read_exact(&mut found).unwrap();
            assert!(found == piece(number), "{number}");
        }
        assert_eq!(file.read(&mut found).unwrap(), 0);
    }
}
