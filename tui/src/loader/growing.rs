//! How a trace grows, and what becomes of its file, between what is read of it.
//!
//! A file in, new pages out. Invariant: what was read is not read again to see what is new.

use std::io::{Read, Seek};
use std::sync::atomic::Ordering;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use blkreplay_core::format::{Growth, LossKind};
use blkreplay_core::view::Page;

use super::{Gone, Loader, Told, Wish, told};
use crate::state::live::Recording;

/// How often the file is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// What a look at a file found that may grow.
#[derive(Debug)]
pub struct Grown {
    /// Pages that were not told before, at the end.
    pub pages: Vec<Page>,
    /// Something came since the last look, if only how a request ended.
    pub is_new: bool,
    /// What is known of requests before this place will not change.
    pub settled: u64,
    /// Events that the recorder dropped, from the beginning on.
    pub lost: u64,
    /// When it was looked at.
    pub at: Instant,
}

impl<R: Read + Seek, T: Fn(Told) -> bool> Loader<R, T> {
    /// Waits for wishes, and looks at the file meanwhile.
    pub(super) fn wait(&mut self) -> Result<Vec<Wish>, Gone> {
        loop {
            match self.wishes.recv_timeout(LOOK) {
                Ok(wishes) => return Ok(wishes),
                Err(RecvTimeoutError::Timeout) => self.look_at_file()?,
                Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
        }
    }

    /// Looks at the file, if nobody just did.
    pub(super) fn look_at_file(&mut self) -> Result<(), Gone> {
        if self.looked.elapsed() < LOOK {
            return Ok(());
        }
        self.looked = Instant::now();
        if let Some(text) = self.watch.look() {
            self.tell(Told::Changed(text))?;
        }
        if self.watch.is_same() && self.followed.load(Ordering::Relaxed) {
            self.grow()?;
        }
        Ok(())
    }

    /// Tells what is new.
    fn grow(&mut self) -> Result<(), Gone> {
        let grown = self.pages.grow().and_then(|growth| {
            // It is new until it is told, even if what is settled cannot be read now.
            self.is_new |= growth.chunks > 0;
            Ok((growth, self.pages.settled()?))
        });
        let (growth, settled) = match grown {
            Ok(grown) => grown,
            Err(error) => return self.tell(Told::Unreadable(told(&error))),
        };
        let pages = self.pages.all()[self.told..].to_vec();
        let Growth { chunks, is_closed, lost } = growth;
        self.told += pages.len();
        let is_new = std::mem::take(&mut self.is_new);
        self.tell(Told::Grown(Grown { pages, is_new, settled, lost, at: self.looked }))?;
        let may_have_ended = is_closed || (chunks == 0 && !self.watch.is_held());
        if may_have_ended && self.surveyed != Some(self.told) {
            self.survey()?;
        }
        Ok(())
    }

    /// Looks whether the trace is whole, and if not whether it may still become so.
    pub(super) fn survey(&mut self) -> Result<(), Gone> {
        // Asked before the trace is, which may end meanwhile.
        let is_held = self.watch.is_held();
        let surveyed = (self.again)().map_err(|error| error.to_string());
        let surveyed = surveyed.and_then(|reader| reader.survey().map_err(|error| told(&error)));
        let survey = match surveyed {
            Ok(survey) => survey,
            Err(error) => return self.tell(Told::Loss(error)),
        };
        let dropped = survey.facts.lost;
        match survey.loss {
            Some(loss) if is_held && !matches!(loss.kind, LossKind::Damaged(_)) => {
                self.tell(Told::Recording(Recording::GoesOn, None))?;
            }
            Some(loss) => {
                self.surveyed = Some(self.told);
                let is_damaged = matches!(loss.kind, LossKind::Damaged(_));
                let said = loss.to_string();
                self.tell(if is_damaged {
                    Told::Loss(said)
                } else {
                    Told::Recording(Recording::Left, Some(said))
                })?;
            }
            None => {
                self.surveyed = Some(self.told);
                self.tell(Told::Recording(Recording::Ended, None))?;
            }
        }
        if dropped > 0 {
            return self.tell(Told::Dropped(dropped));
        }
        Ok(())
    }
}
