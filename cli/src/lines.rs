//! Which requests or events of a trace are told: from a position on, so many, the last ones, or for ever. A trace
//! comes in, rows and events go out, one after another.
//!
//! What a line looks like is not known here. Invariant: who follows has been told all there is before the next
//! wait.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;

use blkreplay_core::event::Event;
use blkreplay_core::format::{Events, Loss, ReadError, Start, Target};
use blkreplay_core::position::{Finder, Position, UnknownDevice};
use blkreplay_core::rows::{Joiner, Row};
use blkreplay_core::view::Fold;

use crate::chosen::Chosen;
use crate::failure::Failure;
use crate::found::{self, Told};
use crate::meant::Meant;
use crate::printer::Output;
use crate::trace::Trace;

/// When reading ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Where the trace ends now.
    Now,
    /// When the recording ends.
    End,
}

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    /// The first; `None` from the beginning on.
    pub(crate) at: Option<Position>,
    /// So many at most.
    pub(crate) limit: Option<u64>,
    /// So many of the last ones only.
    pub(crate) tail: Option<u64>,
    pub(crate) until: Until,
    /// Whether the trace is a file, in which one can go to any place.
    pub(crate) seeks: bool,
    /// Only events that two runs of a virtual machine share.
    pub(crate) folded: bool,
    /// Whether requests are to know which reads are of ranges that were never written.
    pub(crate) written: bool,
    /// Only requests that it means.
    pub(crate) chosen: Option<&'a Chosen>,
    /// Where the trace lies, if those that are meant may be looked for without going over all.
    pub(crate) searched: Option<&'a Path>,
}

/// Why telling stopped early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The trace could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Standard output took no more.
    #[error(transparent)]
    Write(#[from] io::Error),
    /// The position names a device that is not there.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// The trace could not be opened a second time.
    #[error("{0}")]
    Again(Failure),
    /// Nothing is at the position.
    #[error("nothing is at {0}")]
    Nowhere(Position),
}

/// Takes events and gives what is to be told.
trait Teller {
    type Item;

    /// Whether it can go on anywhere. One that cannot is told all from the beginning on.
    const SEEKS: bool = false;

    /// Forgets all that it took, and goes on where a reader stands.
    fn start(&mut self, _: &Start) {}

    /// To where a reader goes for the last `count` items.
    fn last(count: u64) -> Target {
        Target::LastEvents(count)
    }

    /// Takes an event.
    fn push(&mut self, index: u64, event: Event);

    /// No events follow.
    fn finish(&mut self) {}

    /// The next that is ready, with the index of its first event.
    fn pop(&mut self) -> Option<(u64, Self::Item)>;
}

impl Teller for Joiner {
    type Item = Row;

    const SEEKS: bool = true;

    fn start(&mut self, start: &Start) {
        *self = Joiner::starting(start);
    }

    fn last(count: u64) -> Target {
        Target::LastIssues(count)
    }

    fn push(&mut self, index: u64, event: Event) {
        Joiner::push(self, index, event);
    }

    fn finish(&mut self) {
        Joiner::finish(self);
    }

    fn pop(&mut self) -> Option<(u64, Row)> {
        Joiner::pop(self).map(|row| (row.event, row))
    }
}

/// Hands events on.
#[derive(Default)]
struct Plain(Option<(u64, Event)>);

impl Teller for Plain {
    type Item = (u64, Event);

    const SEEKS: bool = true;

    fn start(&mut self, _: &Start) {
        self.0 = None;
    }

    fn push(&mut self, index: u64, event: Event) {
        self.0 = Some((index, event));
    }

    fn pop(&mut self) -> Option<(u64, (u64, Event))> {
        self.0.take().map(|(index, event)| (index, (index, event)))
    }
}

/// Hands on those that are left when a run is folded. What an event is called depends on all before it.
#[derive(Default)]
struct Folding {
    fold: Fold,
    next: Option<(u64, Event)>,
}

impl Teller for Folding {
    type Item = (u64, Event);

    fn push(&mut self, index: u64, event: Event) {
        let folded = self.fold.push(&event);
        self.next = folded.map(|folded| (index, Event { kind: folded.event, ..event }));
    }

    fn pop(&mut self) -> Option<(u64, (u64, Event))> {
        self.next.take().map(|(index, event)| (index, (index, event)))
    }
}

/// Hands on those of requests that are meant. Which those are is told by all of a trace.
impl Teller for Meant<'_> {
    type Item = (u64, Event);

    fn push(&mut self, index: u64, event: Event) {
        Meant::push(self, index, event);
    }

    fn finish(&mut self) {
        Meant::finish(self);
    }

    fn pop(&mut self) -> Option<(u64, (u64, Event))> {
        Meant::pop(self).map(|(index, event)| (index, (index, event)))
    }
}

impl Lines<'_> {
    /// Tells requests.
    pub(crate) fn rows(
        &self,
        trace: Trace,
        out: &mut Output,
        mut print: impl FnMut(&Row, &mut Output) -> io::Result<()>,
    ) -> Result<Option<Loss>, Stop> {
        let told = match self.chosen.zip(self.searched) {
            Some((chosen, path)) => match found::tell(path, chosen, self.limit, out, &mut print)? {
                Told::All(loss) => return Ok(loss),
                Told::Part(told) => told,
            },
            None => 0,
        };
        let takes = |row: &Row| self.chosen.is_none_or(|chosen| chosen.takes(row));
        let joiner = self.chosen.map_or_else(Joiner::new, Chosen::joiner);
        let joiner = if self.written { joiner.knowing_written() } else { joiner };
        self.tell(trace, (joiner, told), out, takes, |row, out| print(row, out))
    }

    /// Tells events, with their indices.
    pub(crate) fn events(
        &self,
        trace: Trace,
        out: &mut Output,
        mut print: impl FnMut(u64, &Event, &mut Output) -> io::Result<()>,
    ) -> Result<Option<Loss>, Stop> {
        let print = |(index, event): &(u64, Event), out: &mut Output| print(*index, event, out);
        if self.folded {
            return self.tell(trace, (Folding::default(), 0), out, |_| true, print);
        }
        match self.chosen {
            Some(chosen) => self.tell(trace, (Meant::by(chosen), 0), out, |_| true, print),
            None => self.tell(trace, (Plain::default(), 0), out, |_| true, print),
        }
    }

    /// Tells what `teller` makes of events, but for the first `told`, which were told already. Even who wants no lines is told that
    /// nothing is at a position.
    fn tell<T: Teller>(
        &self,
        mut trace: Trace,
        (mut teller, mut told): (T, u64),
        out: &mut Output,
        takes: impl Fn(&T::Item) -> bool,
        mut print: impl FnMut(&T::Item, &mut Output) -> io::Result<()>,
    ) -> Result<Option<Loss>, Stop> {
        let mut finder = match &self.at {
            Some(position) => Some(Finder::new(position.clone(), trace.header())?),
            None => None,
        };
        if self.until == Until::End {
            trace.stop_at_end();
        }
        // A stream is not searched: what is wanted may have arrived already.
        if self.seeks && T::SEEKS {
            match (&mut finder, self.tail) {
                (Some(finder), _) => teller.start(&finder.seek(&mut trace)?),
                // How far back the last ones are that are meant is not known.
                (None, Some(_)) if self.chosen.is_some() => {}
                (None, Some(count)) => teller.start(&trace.seek(&T::last(count))?),
                (None, None) => {}
            }
        }
        let mut events: Box<dyn Events> =
            if self.seeks { Box::new(trace.ahead()) } else { Box::new(trace) };
        let mut from = finder.is_none().then_some(0);
        let mut kept = Kept { limit: self.tail, items: VecDeque::new() };
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut finished = false;
        while left > 0 || from.is_none() {
            while let Some((index, item)) = teller.pop() {
                if from.is_none_or(|from| index < from) || !takes(&item) {
                    continue;
                }
                let Some(item) = kept.pass(item) else { continue };
                if told > 0 {
                    told -= 1;
                } else {
                    print(&item, out)?;
                }
                left -= 1;
                // What lies behind the last that was asked for is nobody's business, nor is what is lost there.
                if left == 0 {
                    return Ok(None);
                }
            }
            if finished {
                break;
            }
            if self.until == Until::End && events.may_wait() {
                out.flush()?;
            }
            let Some((index, event)) = events.next_event()? else {
                teller.finish();
                finished = true;
                continue;
            };
            if from.is_none() && finder.as_mut().is_some_and(|finder| finder.is_at(index, &event)) {
                from = Some(index);
            }
            teller.push(index, event);
        }
        match (&self.at, from) {
            (Some(position), None) => return Err(Stop::Nowhere(position.clone())),
            _ => kept.items.iter().try_for_each(|item| print(item, out))?,
        }
        Ok(events.loss())
    }
}

/// The last items, if only they are wanted.
struct Kept<I> {
    limit: Option<u64>,
    items: VecDeque<I>,
}

impl<I> Kept<I> {
    /// Keeps an item, or gives it back if all are wanted.
    fn pass(&mut self, item: I) -> Option<I> {
        let Some(limit) = self.limit else { return Some(item) };
        self.items.push_back(item);
        if self.items.len() as u64 > limit {
            self.items.pop_front();
        }
        None
    }
}
