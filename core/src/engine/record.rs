//! The log while recording: a thread of its own takes entries in order and writes them.
//!
//! Those who record only append to a list, so writing costs them no system call; when the writer falls too
//! far behind they wait for it. Invariant: entries reach the file in the order in which they were handed
//! in, and nothing follows an entry that could not be written.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::room::ENTRY_BYTES;
use crate::format::{Entry, Header, WriteError, Writer, Written};
use crate::limits::LOG_BACKLOG_BYTES_MAX;
use crate::units::{Clock, Nanos};

/// How long entries may wait for the thread when there are few. Well under the age at which chunks close.
const NAP: Duration = Duration::from_millis(25);

/// The thread is woken early when this many bytes wait.
const WAKE_BYTES: u64 = 1 << 20;

/// How long a mark waits for the disk.
const MARK_PATIENCE: Duration = Duration::from_secs(10);

/// Whether something fits into the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    None,
}

/// Room that is kept for the events that end a trace, with the header of their chunk.
const END_BYTES: u64 = 4 << 10;

/// So much that is not written yet may pack to less than was reckoned, in bytes. For less, no chunk is closed.
const PACKS_BYTES: u64 = 16 << 10;

/// What makes one recording different from all others: chosen at random by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// In every chunk, so that bytes of another file never look valid.
    pub salt: u64,
    /// Names the recording.
    pub uuid: u128,
}

/// What a finished recording wrote.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Sizes and counts.
    pub written: Written,
    /// Time of the last event.
    pub duration: Nanos,
}

/// Why a recording is not whole.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The log could not be written. The file is whole up to [`RecordError::whole_bytes`].
    #[error("the recording stopped before its end")]
    Write(#[source] WriteError),
    /// The log's thread is gone: a fault of ours.
    #[error("the thread that writes the trace ended before its time")]
    Thread,
}

impl RecordError {
    /// Length of the header and the chunks that were written whole, in bytes: where to cut the file.
    /// `None` if it is not known.
    pub fn whole_bytes(&self) -> Option<u64> {
        match self {
            RecordError::Write(WriteError::Io { offset, .. }) => Some(*offset),
            _ => None,
        }
    }
}

/// Why a mark is not in the trace.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum MarkError {
    /// There is no trace, or it is finished.
    #[error("nothing is being recorded")]
    NotRecording,
    /// The log could not be written.
    #[error("the trace could not be written")]
    Failed,
    /// The log's thread did not get to it in time. It may still be written.
    #[error("the trace was not written within {} s", MARK_PATIENCE.as_secs())]
    Slow,
}

/// Called once, on the log's thread, when the log cannot be written any more.
pub type OnTrouble = Box<dyn FnOnce(&WriteError) + Send>;

/// The log of a recording.
pub struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<Result<Recorded, RecordError>>>>,
}

#[derive(Default)]
struct Shared {
    backlog: Mutex<Backlog>,
    /// The thread waits here for entries.
    work: Condvar,
    /// Those who record wait here while there are too many.
    room: Condvar,
    /// Those who asked for everything to be written out wait here.
    written_out: Condvar,
}

/// Entries on their way to the thread.
#[derive(Default)]
struct Backlog {
    entries: Vec<Entry>,
    /// Of `entries` and of those that the thread has taken and not yet written.
    bytes: u64,
    /// What the trace has, in bytes, with what is gathered for its next chunk.
    trace_bytes: u64,
    /// Of these, what is gathered, and not packed yet.
    gathered_bytes: u64,
    /// What requests that arrived may still add to the trace, at most.
    promised: u64,
    /// How large it may become.
    limit: Option<u64>,
    /// The thread sleeps without a time-out.
    idle: bool,
    /// How often somebody asked for everything so far to be written out.
    asked: u64,
    /// How many of these have been answered.
    answered: u64,
    /// No more entries come.
    closed: bool,
    /// Entries are thrown away: they could not be written.
    failed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Writes the header to `out` and starts the thread that writes the rest. `on_trouble` is told at once
    /// when the log cannot be written any more; what is recorded from then on is thrown away.
    pub fn start(
        out: Box<dyn Write + Send>,
        header: &Header,
        identity: Identity,
        clock: Arc<dyn Clock>,
        on_trouble: OnTrouble,
    ) -> Result<Recorder, WriteError> {
        let writer = Writer::create(out, header, identity.salt, identity.uuid)?;
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("log".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || write_all(&shared, writer, clock.as_ref(), on_trouble)
        });
        let thread = thread.map_err(|source| WriteError::Io { offset: 0, source })?;
        Ok(Recorder { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Hands entries to the thread, in order, for which so many bytes were promised. Never waits for it.
    pub(super) fn write(&self, entries: Vec<Entry>, promised: u64) {
        let bytes: u64 = entries.iter().map(weight).sum();
        let mut backlog = self.shared.lock();
        if backlog.failed {
            return;
        }
        let before = backlog.bytes;
        backlog.bytes += bytes;
        backlog.promised = backlog.promised.saturating_sub(promised);
        if backlog.entries.is_empty() {
            backlog.entries = entries;
        } else {
            backlog.entries.extend(entries);
        }
        let wake = backlog.idle || (before < WAKE_BYTES && backlog.bytes >= WAKE_BYTES);
        backlog.idle = false;
        drop(backlog);
        if wake {
            self.shared.work.notify_one();
        }
    }

    /// The trace is to take at most `bytes`.
    #[must_use]
    pub fn limited_to(self, bytes: u64) -> Recorder {
        self.shared.lock().limit = Some(bytes);
        self
    }

    /// What waits for the thread, in bytes.
    pub(super) fn backlog_bytes(&self) -> u64 {
        self.shared.lock().bytes
    }

    /// Says that no more entries come.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_one();
    }

    /// Waits while more than `LOG_BACKLOG_BYTES_MAX` are not written yet. Says whether requests that may add so many
    /// bytes fit into a trace of limited size; if they do, these are promised to them. Packed data are not known to
    /// be smaller before they have been written, so what is gathered is, where that may help.
    pub(super) fn wait_for_room(&self, promise: u64) -> Room {
        match self.promise(promise) {
            Promise::Given => Room::Enough,
            Promise::IfPacked if self.write_out().is_ok() => match self.promise(promise) {
                Promise::Given => Room::Enough,
                Promise::IfPacked | Promise::Refused => Room::None,
            },
            Promise::IfPacked | Promise::Refused => Room::None,
        }
    }

    fn promise(&self, promise: u64) -> Promise {
        let mut backlog = self.shared.lock();
        while backlog.bytes > LOG_BACKLOG_BYTES_MAX && !backlog.failed {
            backlog = self.shared.room.wait(backlog).unwrap_or_else(PoisonError::into_inner);
        }
        let Some(limit) = backlog.limit else { return Promise::Given };
        let sure = backlog.trace_bytes + backlog.bytes + END_BYTES;
        let promised = backlog.promised.saturating_add(promise);
        if sure.saturating_add(promised) <= limit {
            backlog.promised = promised;
            Promise::Given
        } else if backlog.bytes + backlog.gathered_bytes >= PACKS_BYTES {
            Promise::IfPacked
        } else {
            Promise::Refused
        }
    }

    /// Waits until everything handed in so far has left for the file, in whole chunks.
    pub(super) fn write_out(&self) -> Result<(), MarkError> {
        let mut backlog = self.shared.lock();
        backlog.asked += 1;
        backlog.idle = false;
        let turn = backlog.asked;
        self.shared.work.notify_one();
        let waits = |backlog: &mut Backlog| backlog.answered < turn && !backlog.failed;
        let waited = self.shared.written_out.wait_timeout_while(backlog, MARK_PATIENCE, waits);
        let (backlog, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (backlog.failed, backlog.answered >= turn) {
            (true, _) => Err(MarkError::Failed),
            (false, true) => Ok(()),
            (false, false) => Err(MarkError::Slow),
        }
    }

    /// Waits until everything is written. To be called once.
    pub(super) fn finish(&self) -> Result<Recorded, RecordError> {
        self.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or(Err(RecordError::Thread))
    }
}

impl Drop for Recorder {
    /// Lets the thread end by itself if nobody finished the recording.
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether there is room for what is asked.
enum Promise {
    Given,
    /// Perhaps, once what is not written yet has been packed.
    IfPacked,
    Refused,
}

/// What an entry counts against the limit of the backlog, in bytes.
fn weight(entry: &Entry) -> u64 {
    let payload = entry.data.as_ref().map_or(0, |data| data.len() as u64);
    ENTRY_BYTES + payload + entry.event.kind.data_bytes()
}

/// The thread: takes what has come, writes it, closes chunks that are old enough.
fn write_all(
    shared: &Shared,
    mut writer: Writer<Box<dyn Write + Send>>,
    clock: &dyn Clock,
    on_trouble: OnTrouble,
) -> Result<Recorded, RecordError> {
    let mut duration = Nanos::default();
    let outcome = loop {
        let Work { entries, write_out, closed } = wait_for_entries(shared, writer.has_open_chunk());
        duration = entries.last().map_or(duration, |entry| entry.event.time);
        if let Err(error) = write_batch(shared, &mut writer, entries) {
            break Err(error);
        }
        if let Some(asked) = write_out {
            if let Err(error) = writer.flush() {
                break Err(error);
            }
            give_room(shared, &mut 0, &writer);
            shared.lock().answered = asked;
            shared.written_out.notify_all();
        }
        // What arrives during the next nap must not be older than its chunk may become.
        if let Err(error) = writer.tick(clock.now().after(NAP.into())) {
            break Err(error);
        }
        if closed {
            break Ok(());
        }
    };
    match outcome.and_then(|()| writer.finish()) {
        Ok((_, written)) => {
            // Whoever asked after the last look has his answer: all is written.
            shared.lock().answered = u64::MAX;
            shared.written_out.notify_all();
            Ok(Recorded { written, duration })
        }
        Err(source) => {
            let mut backlog = shared.lock();
            *backlog = Backlog { failed: true, ..Backlog::default() };
            drop(backlog);
            shared.room.notify_all();
            shared.written_out.notify_all();
            on_trouble(&source);
            Err(RecordError::Write(source))
        }
    }
}

/// What the thread is to do next.
struct Work {
    entries: Vec<Entry>,
    /// Afterwards everything is to be written out, which answers so many who asked.
    write_out: Option<u64>,
    closed: bool,
}

/// Sleeps until there is something to do: entries, the end, or a chunk that may be old enough.
fn wait_for_entries(shared: &Shared, chunk_open: bool) -> Work {
    let mut backlog = shared.lock();
    if !backlog.closed && backlog.bytes < WAKE_BYTES && backlog.asked == backlog.answered {
        if chunk_open || !backlog.entries.is_empty() {
            let woken = shared.work.wait_timeout(backlog, NAP);
            backlog = woken.unwrap_or_else(PoisonError::into_inner).0;
        } else {
            backlog.idle = true;
            while backlog.idle && !backlog.closed {
                backlog = shared.work.wait(backlog).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
    Work {
        entries: std::mem::take(&mut backlog.entries),
        write_out: (backlog.asked > backlog.answered).then_some(backlog.asked),
        closed: backlog.closed,
    }
}

/// Writes entries and gives the room they took back, bit by bit.
fn write_batch(
    shared: &Shared,
    writer: &mut Writer<Box<dyn Write + Send>>,
    entries: Vec<Entry>,
) -> Result<(), WriteError> {
    let mut written_bytes = 0;
    for entry in entries {
        written_bytes += weight(&entry);
        writer.append(entry)?;
        if written_bytes >= WAKE_BYTES {
            give_room(shared, &mut written_bytes, writer);
        }
    }
    give_room(shared, &mut written_bytes, writer);
    Ok(())
}

fn give_room<W: Write>(shared: &Shared, written_bytes: &mut u64, writer: &Writer<W>) {
    let mut backlog = shared.lock();
    backlog.trace_bytes = writer.size();
    backlog.gathered_bytes = writer.gathered();
    backlog.bytes = backlog.bytes.saturating_sub(std::mem::take(written_bytes));
    let room = backlog.bytes <= LOG_BACKLOG_BYTES_MAX;
    drop(backlog);
    if room {
        shared.room.notify_all();
    }
}

#[cfg(test)]
mod tests;
