//! Makes a log that QEMU replays of one that it refuses. A log comes in, another and an account go out.
//!
//! What is kept is kept as it is, to the byte; the header gets the version of the layout that fits; and where the end is
//! missing the machine is told to go down, as by a signal, at the last place where that can be (see `ending`), so that a
//! replay ends too (QEMU: `replay_finish`; without that event its replay comes to the end and stays there). Invariant: what
//! is written decodes whole, in the same layout.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use super::encode::{Encoder, HEADER_BYTES};
use super::ending::{self, Kept};
use super::header::LogError;
use super::layout::Layout;
use super::reader::LogReader;
use super::scan::Tally;
use super::survey::{Survey, survey};
use crate::event::{EventKind, ShutdownCause};

/// How much is copied at once, in bytes.
const COPY_BYTES: usize = 256 << 10;

/// Why a log could not be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverLogError {
    /// It cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The new one cannot be written.
    #[error("cannot write")]
    Write(#[source] io::Error),
    /// It has no whole event.
    #[error("it has no whole event")]
    Empty,
    /// The observer wanted no more.
    #[error("it was stopped")]
    Stopped,
}

/// What became of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecovery {
    /// What the old one is and holds.
    pub survey: Survey,
    /// What of that is in the new one.
    pub kept: Kept,
    /// The version was missing or another.
    pub version_restored: bool,
    /// A shutdown and an end were added.
    pub ended: bool,
    /// Bytes of the old one that the new one does not have.
    pub bytes_lost: u64,
    /// Length of the new one, in bytes.
    pub bytes: u64,
}

impl LogRecovery {
    /// Whether the old log was whole: the new one is a copy.
    pub fn was_whole(&self) -> bool {
        !self.version_restored && !self.ended && self.bytes_lost == 0
    }

    /// How many events of the old one were whole and are not in the new one: QEMU cannot replay them without those that
    /// came behind.
    pub fn events_dropped(&self) -> u64 {
        self.survey.tally.events - self.kept.events
    }

    /// Whether events are missing: the recording went on behind the last one that is kept, or may have.
    pub fn lost_something(&self) -> bool {
        self.ended
    }
}

/// Recovers a log, in the layout that is asked for or in the one that fits. `copied` is told how far it is, of how much, and
/// may end it.
pub fn recover<R: Read + Seek, W: Write>(
    mut input: R,
    mut out: W,
    forced: Option<&'static Layout>,
    copied: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<LogRecovery, RecoverLogError> {
    let survey = survey(&mut input, forced)?;
    if survey.tally.events == 0 {
        return Err(RecoverLogError::Empty);
    }
    let encoder = Encoder::new(survey.layout);
    let header = encoder.header();
    out.write_all(&header).map_err(RecoverLogError::Write)?;
    let ended = survey.stop.is_some_and(|stop| stop.is_loss());
    let kept = kept(&mut input, &survey, ended)?;
    copy(&mut input, &mut out, kept.end, copied)?;
    let end = if ended { ending(&encoder) } else { Vec::new() };
    out.write_all(&end).map_err(RecoverLogError::Write)?;
    out.flush().map_err(RecoverLogError::Write)?;
    Ok(LogRecovery {
        version_restored: survey.header.version != survey.layout.version
            || survey.header.reserved != 0,
        ended,
        bytes_lost: survey.file_bytes - kept.end,
        bytes: kept.end + end.len() as u64,
        kept,
        survey,
    })
}

/// How much of a log is kept: all of one that ends in order.
fn kept<R: Read + Seek>(input: &mut R, survey: &Survey, cut: bool) -> Result<Kept, LogError> {
    let Tally { bytes, events, icount, .. } = survey.tally;
    if !cut {
        return Ok(Kept { end: bytes, events, icount });
    }
    let begin = input.seek(SeekFrom::Start(0));
    begin.map_err(|source| LogError::Read { at: 0, source })?;
    ending::kept(&mut LogReader::new(input, survey.layout)?)
}

/// Copies the events up to the byte `end`.
fn copy<R: Read + Seek, W: Write>(
    input: &mut R,
    out: &mut W,
    end: u64,
    copied: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<(), RecoverLogError> {
    let mut at = HEADER_BYTES as u64;
    let cannot = |at, source| RecoverLogError::Log(LogError::Read { at, source });
    input.seek(SeekFrom::Start(at)).map_err(|source| cannot(at, source))?;
    let mut piece = vec![0; COPY_BYTES];
    while at < end {
        let length = usize::try_from(end - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
        input.read_exact(&mut piece[..length]).map_err(|source| cannot(at, source))?;
        out.write_all(&piece[..length]).map_err(RecoverLogError::Write)?;
        at += length as u64;
        if copied(at, end).is_break() {
            return Err(RecoverLogError::Stopped);
        }
    }
    Ok(())
}

/// The events that end a recording.
fn ending(encoder: &Encoder) -> Vec<u8> {
    let mut bytes = Vec::new();
    let shutdown = |cause| EventKind::Shutdown { cause };
    let put = encoder.put(&shutdown(ShutdownCause::HostSignal), None, &mut bytes);
    // Early layouts do not say why.
    put.or_else(|_| encoder.put(&shutdown(ShutdownCause::None), None, &mut bytes))
        .and_then(|()| encoder.put(&EventKind::End { status: None }, None, &mut bytes))
        .expect("every layout has a shutdown and an end");
    bytes
}
