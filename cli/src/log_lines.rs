//! Which events of a QEMU log are told: from a position on, so many, the last ones, or only those that two runs share. A
//! log comes in, events go out, one after another.
//!
//! What a line looks like is not known here. Invariant: whatever is asked for, the log is read once and its memory does
//! not grow with it, but for the last events that were asked for.

use std::collections::VecDeque;
use std::io;
use std::path::Path;

use blkreplay_core::event::EventKind;
use blkreplay_core::position::Position;
use blkreplay_core::qemu::{LogEvent, LogReader, Stop};
use blkreplay_core::view::{Fold, Folded};

use crate::failure::Failure;
use crate::input::{self, Input};
use crate::printer::Output;
use crate::qemu_log;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct LogLines {
    /// The first; `None` from the beginning on.
    pub(crate) at: Option<Position>,
    /// So many at most.
    pub(crate) limit: Option<u64>,
    /// So many of the last ones only.
    pub(crate) tail: Option<u64>,
    /// Only what two runs share.
    pub(crate) folded: bool,
}

/// Something to tell.
#[derive(Debug)]
pub(crate) struct LogLine {
    pub(crate) event: LogEvent,
    /// How it is shown among the folded ones.
    pub(crate) folded: Option<Folded>,
}

impl LogLines {
    /// Tells the events of the log at `path`. Gives why the log is not whole, if all of it was read.
    pub(crate) fn tell(
        &self,
        path: &Path,
        mut log: LogReader<Input>,
        out: &mut Output,
        mut print: impl FnMut(&LogLine, &mut Output) -> io::Result<()>,
    ) -> Result<Option<Stop>, Failure> {
        self.check(path)?;
        let mut begun = self.at.is_none();
        let mut fold = self.folded.then(Fold::default);
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut kept = VecDeque::new();
        while let Some(event) =
            log.next_event().map_err(|error| qemu_log::cannot_read(path, error))?
        {
            begun = begun || self.at.as_ref().is_some_and(|at| is_at(at, &event));
            let folded = match &mut fold {
                Some(fold) => match fold.push(&event.event) {
                    Some(folded) => Some(folded),
                    None => continue,
                },
                None => None,
            };
            if !begun {
                continue;
            }
            if left == 0 {
                return Ok(None);
            }
            let line = LogLine { event, folded };
            match self.tail {
                None => {
                    print(&line, out).map_err(Failure::output)?;
                    left -= 1;
                }
                Some(0) => {}
                Some(count) => {
                    if kept.len() as u64 == count {
                        kept.pop_front();
                    }
                    kept.push_back(line);
                }
            }
        }
        if let (false, Some(at)) = (begun, &self.at) {
            let name = input::name(path);
            return Err(Failure::new(format!("{} has nothing at {at}", name.display())));
        }
        kept.iter().try_for_each(|line| print(line, out)).map_err(Failure::output)?;
        log.stop_at().map_err(|error| qemu_log::cannot_read(path, error))
    }

    /// Refuses what a log does not have.
    fn check(&self, path: &Path) -> Result<(), Failure> {
        let Some(at) = &self.at else { return Ok(()) };
        let what = match at {
            Position::Request(_) | Position::Event(_) | Position::End => return Ok(()),
            Position::Time(_) => "times",
            Position::Flush { .. } => "flushes: a completion says nothing but its number",
            Position::Mark(_) => "marks",
        };
        let name = input::name(path);
        Err(Failure::new(format!("{} is a QEMU log, and has no {what}", name.display())).hint(
            "a position in a QEMU log is event:123, #123 (where the request was completed) or end",
        ))
    }
}

fn is_at(position: &Position, event: &LogEvent) -> bool {
    match (position, &event.event.kind) {
        (Position::Event(index), _) => event.index == *index,
        (Position::Request(wanted), EventKind::BlockId { id }) => wanted == id,
        (Position::End, EventKind::End { .. }) => true,
        _ => false,
    }
}
