//! A checkpoint and what was released at it. Events come in, one after the other; checkpoints go out, each once all of it is known.
//!
//! In a trace, and in logs up to version 0xe0200a, what is released lies behind its checkpoint; in later logs before it. Invariant: what
//! is released is counted at one checkpoint.

use blkreplay_core::event::{Checkpoint, EventKind};
use blkreplay_core::request::RequestId;
use blkreplay_core::units::Nanos;

/// A request that was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completed {
    /// Which.
    pub id: RequestId,
    /// Its place among all requests; `None` if nobody knows, as in a log.
    pub place: Option<u64>,
}

/// How many events were released, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Completions of requests.
    pub block: u64,
    /// Bottom halves.
    pub bh: u64,
    /// Frames.
    pub net: u64,
    /// Keys, buttons, pointers, and the ends of what was done at once.
    pub input: u64,
    /// Bytes for character devices.
    pub char: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.block + self.bh + self.net + self.input + self.char
    }

    /// The one that counts events of this kind; `None` if they are not queued.
    fn of(&mut self, kind: &EventKind) -> Option<&mut u64> {
        Some(match kind {
            EventKind::Block(_) | EventKind::BlockId { .. } => &mut self.block,
            EventKind::Bh { .. } | EventKind::BhOneshot { .. } => &mut self.bh,
            EventKind::Net { .. } => &mut self.net,
            EventKind::Input(_) | EventKind::InputSync => &mut self.input,
            EventKind::CharRead { .. } => &mut self.char,
            _ => return None,
        })
    }
}

/// Why not all is known of what a checkpoint released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// So many events were dropped among it.
    Dropped(u64),
    /// What follows cannot be read.
    Unreadable,
    /// It goes on for more events than were looked at.
    Far,
    /// No checkpoint follows that would release it.
    NoCheckpoint,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Index of the first event that belongs to it.
    pub first: u64,
    /// Index of the last.
    pub last: u64,
    /// When it was passed.
    pub time: Nanos,
    /// Instructions executed until then; of a log only.
    pub icount: Option<u64>,
    /// Which it is; `None` of what no checkpoint releases.
    pub kind: Option<Checkpoint>,
    /// What was released.
    pub counts: Counts,
    /// Requests that were open before it and after; of a trace only.
    pub open: Option<(u64, u64)>,
    /// The requests that were completed, in their order.
    pub completed: Vec<Completed>,
    /// What is not known of it.
    pub missing: Option<Missing>,
}

/// An event, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed<'a> {
    pub(super) index: u64,
    pub(super) time: Nanos,
    pub(super) icount: Option<u64>,
    pub(super) open: Option<u64>,
    pub(super) kind: &'a EventKind,
}

/// Gathers what is released.
#[derive(Debug)]
pub(super) struct Gather {
    /// What is released lies behind its checkpoint.
    is_behind: bool,
    open: Option<Release>,
    /// What comes first belongs to a checkpoint that others gather.
    skips: bool,
    /// Which requests were completed is kept.
    lists: bool,
    next: Option<u64>,
}

impl Gather {
    /// Begins, inside of what a checkpoint releases that was seen before if `skips`.
    pub(super) fn new(is_behind: bool, skips: bool) -> Gather {
        Gather { is_behind, open: None, skips, lists: true, next: None }
    }

    /// The same for one who only asks what belongs together, over events of any number: which requests were completed is not kept.
    pub(super) fn counting(is_behind: bool) -> Gather {
        Gather { lists: false, ..Gather::new(is_behind, false) }
    }

    /// Whether more may come to what it has.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the next event may belong to what came before.
    pub(super) fn is_inside(&self) -> bool {
        self.open.is_some() || self.skips
    }

    /// Takes the next event; gives a checkpoint of which all is known now.
    pub(super) fn push(&mut self, passed: Passed<'_>) -> Option<Release> {
        let expected = self.next.replace(passed.index + 1).unwrap_or(passed.index);
        let dropped = passed.index.saturating_sub(expected);
        if let Some(open) = self.open.as_mut().filter(|_| dropped > 0) {
            open.missing = Some(Missing::Dropped(dropped));
        }
        match passed.kind {
            EventKind::Checkpoint(checkpoint) => self.checkpoint(*checkpoint, passed),
            EventKind::Issue(_) if self.is_behind => {
                self.skips = false;
                self.open.take()
            }
            kind => {
                let mut counts = Counts::default();
                let is_queued = counts.of(kind).is_some();
                if is_queued && !self.skips {
                    self.add(passed);
                }
                None
            }
        }
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint, passed: Passed<'_>) -> Option<Release> {
        let Passed { index, time, icount, open, .. } = passed;
        let skipped = std::mem::take(&mut self.skips);
        let open = open.map(|open| (open, open));
        let own = Release { kind: Some(checkpoint), open, ..Release::at(index, time, icount) };
        if self.is_behind {
            return self.open.replace(own);
        }
        match self.open.take() {
            // It closes what was released before it.
            Some(before) => Some(Release { last: index, time, icount, kind: own.kind, ..before }),
            None if skipped => None,
            None => Some(own),
        }
    }

    fn add(&mut self, passed: Passed<'_>) {
        let Passed { index, time, icount, kind, .. } = passed;
        if self.open.is_none() && self.is_behind {
            // Nothing says at which checkpoint it was released.
            return;
        }
        let open = self.open.get_or_insert_with(|| Release::at(index, time, icount));
        if let Some(count) = open.counts.of(kind) {
            *count += 1;
        }
        open.last = index;
        let id = match kind {
            EventKind::Block(block) => Some(block.id),
            EventKind::BlockId { id } => Some(*id),
            _ => None,
        };
        if let (Some(_), Some((_, after))) = (id, &mut open.open) {
            *after = after.saturating_sub(1);
        }
        let listed = id.filter(|_| self.lists);
        open.completed.extend(listed.map(|id| Completed { id, place: None }));
    }

    /// No more follows, for this reason; what it has.
    pub(super) fn finish(&mut self, why: Option<Missing>) -> Option<Release> {
        let mut open = self.open.take()?;
        open.missing = why.or(open.missing);
        if open.kind.is_none() && why.is_none() {
            open.missing = Some(Missing::NoCheckpoint);
        }
        Some(open)
    }
}

impl Release {
    fn at(index: u64, time: Nanos, icount: Option<u64>) -> Release {
        Release {
            first: index,
            last: index,
            time,
            icount,
            kind: None,
            counts: Counts::default(),
            open: None,
            completed: Vec::new(),
            missing: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_counts_keeps_no_request_however_late_the_checkpoint_comes() {
        let push = |gather: &mut Gather, index, kind: &EventKind| {
            let passed = Passed { index, time: Nanos(0), icount: None, open: None, kind };
            gather.push(passed)
        };
        let of = |mut gather: Gather| {
            for index in 0..1000 {
                let id = RequestId(index);
                assert_eq!(push(&mut gather, index, &EventKind::BlockId { id }), None);
                assert!(gather.is_inside());
            }
            let closes = EventKind::Checkpoint(Checkpoint::Controller);
            let release = push(&mut gather, 1000, &closes).unwrap();
            assert!(!gather.is_inside());
            assert_eq!(release.counts.block, 1000);
            release.completed.capacity()
        };
        assert!(of(Gather::new(false, false)) >= 1000);
        assert_eq!(of(Gather::counting(false)), 0);
    }
}
