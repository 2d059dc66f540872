//! Joins what was asked with what was answered: events in, one row per request out, in the order of issue.
//!
//! Reads no files of its own. Invariant: each issue gives exactly one row, and no more than
//! `ROWS_HELD_MAX` rows wait for a completion; beyond that the oldest is given out without one.

use std::collections::{HashMap, VecDeque};

use crate::event::{Block, CompletionFlags, Event, EventKind, Issue, Payload};
use crate::format::{Events, Loss, ReadError, Start};
use crate::limits::ROWS_HELD_MAX;
use crate::request::{ConnectionId, DeviceId, Errno, Extent, Operation, Request, RequestId};
use crate::units::Nanos;

/// A request with all that the trace knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub id: RequestId,
    /// The device asked.
    pub device: DeviceId,
    /// The connection it came over.
    pub connection: ConnectionId,
    /// The client's own tag.
    pub cookie: u64,
    /// What was asked.
    pub request: Request,
    /// Index of its issue in the trace.
    pub event: u64,
    /// When it had arrived: the time of its issue, less `early`.
    pub time: Nanos,
    /// How long before the time of its issue that was; 0 but for what a replay wrote.
    pub early: Nanos,
    /// How many flushes of its device had been released to the client by then.
    pub epoch: u64,
    /// The data written or, once it is complete, read.
    pub payload: Payload,
    /// How it ended; `None` if the trace does not say.
    pub completion: Option<RowCompletion>,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCompletion {
    /// What the image said.
    pub result: Result<(), Errno>,
    /// From the arrival of the request to the moment the image was done.
    pub latency: Nanos,
    /// From then to the release.
    pub hold: Nanos,
    /// What else happened.
    pub flags: CompletionFlags,
    /// The answer to a block status; empty for all others.
    pub extents: Vec<Extent>,
}

/// Joins events as they come. `Joiner::push` takes them, `Joiner::pop` gives rows.
#[derive(Debug, Default)]
pub struct Joiner {
    held: VecDeque<Row>,
    /// Rows given out so far: the first of `held` has this place.
    given: u64,
    /// Places of the rows that wait for their completion.
    open: HashMap<RequestId, u64>,
    /// Flushes released, by device.
    flushes: HashMap<DeviceId, u64>,
    finished: bool,
}

impl Joiner {
    /// A joiner at the beginning of a trace.
    pub fn new() -> Joiner {
        Joiner::default()
    }

    /// A joiner where a reader stands that went there. What was issued before gives no rows.
    pub fn starting(start: &Start) -> Joiner {
        let flushes = start.state.flushes.iter().copied().collect();
        Joiner { flushes, ..Joiner::default() }
    }

    /// Takes the event with this index.
    pub fn push(&mut self, index: u64, event: Event) {
        match event.kind {
            EventKind::Issue(issue) => self.issue(index, event.time, &issue),
            EventKind::Block(block) => self.block(block),
            _ => {}
        }
    }

    /// Says that no events follow: what is still open is given out without a completion.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next row, if it is known how it ended or there is no room to wait longer.
    pub fn pop(&mut self) -> Option<Row> {
        let first = self.held.front()?;
        if first.completion.is_none() && !self.finished && self.held.len() <= ROWS_HELD_MAX {
            return None;
        }
        let row = self.held.pop_front()?;
        // An id that was issued twice, which no recorder does, is open for the later row.
        if self.open.get(&row.id) == Some(&self.given) {
            self.open.remove(&row.id);
        }
        self.given += 1;
        Some(row)
    }

    fn issue(&mut self, event: u64, time: Nanos, issue: &Issue) {
        let place = self.given + self.held.len() as u64;
        let Issue { id, device, connection, cookie, request, payload, early } = *issue;
        let epoch = self.flushes.get(&device).copied().unwrap_or(0);
        self.open.insert(id, place);
        self.held.push_back(Row {
            id,
            device,
            connection,
            cookie,
            request,
            event,
            time: issue.arrived(time),
            early,
            epoch,
            payload,
            completion: None,
        });
    }

    fn block(&mut self, block: Block) {
        let Block { id, device, operation, result, latency, hold, flags, payload, extents } = block;
        if operation == Operation::Flush {
            *self.flushes.entry(device).or_default() += 1;
        }
        let Some(place) = self.open.remove(&id) else { return };
        let held = usize::try_from(place - self.given).ok();
        let Some(row) = held.and_then(|held| self.held.get_mut(held)) else { return };
        row.completion = Some(RowCompletion { result, latency, hold, flags, extents });
        if payload != Payload::Absent {
            row.payload = payload;
        }
    }
}

/// The rows of a trace that is being read.
#[derive(Debug)]
pub struct Rows<E> {
    events: E,
    joiner: Joiner,
}

impl<E: Events> Rows<E> {
    /// The rows of `events`, which must be all from the beginning on.
    pub fn new(events: E) -> Rows<E> {
        Rows { events, joiner: Joiner::new() }
    }

    /// What is missing. Known once there was no next row.
    pub fn loss(&mut self) -> Option<Loss> {
        self.events.loss()
    }

    /// The next row; `None` after the last.
    pub fn next_row(&mut self) -> Result<Option<Row>, ReadError> {
        loop {
            if let Some(row) = self.joiner.pop() {
                return Ok(Some(row));
            }
            if self.joiner.finished {
                return Ok(None);
            }
            match self.events.next_event()? {
                Some((index, event)) => self.joiner.push(index, event),
                None => self.joiner.finish(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Flags;
    use crate::units::ByteRange;

    fn issue(id: u64, device: u16, operation: Operation) -> EventKind {
        EventKind::Issue(Issue {
            id: RequestId(id),
            device: DeviceId(device),
            connection: ConnectionId(0),
            cookie: 0,
            request: Request { operation, range: ByteRange::default(), flags: Flags::NONE },
            payload: Payload::Absent,
            early: Nanos(0),
        })
    }

    fn block(id: u64, device: u16, operation: Operation) -> EventKind {
        EventKind::Block(Block {
            id: RequestId(id),
            device: DeviceId(device),
            operation,
            result: Ok(()),
            latency: Nanos(id),
            hold: Nanos(0),
            flags: CompletionFlags::default(),
            payload: Payload::Zeroes,
            extents: Vec::new(),
        })
    }

    fn rows(kinds: impl IntoIterator<Item = EventKind>) -> Vec<Row> {
        let mut joiner = Joiner::new();
        let mut rows = Vec::new();
        for (index, kind) in (0..).zip(kinds) {
            joiner.push(index, Event { time: Nanos(index), kind });
            rows.extend(std::iter::from_fn(|| joiner.pop()));
        }
        joiner.finish();
        rows.extend(std::iter::from_fn(|| joiner.pop()));
        rows
    }

    #[test]
    fn rows_come_in_the_order_of_issue_whatever_the_order_of_completion() {
        let read = Operation::Read;
        let rows = rows([
            issue(0, 0, read),
            issue(1, 0, read),
            issue(2, 0, read),
            block(2, 0, read),
            block(0, 0, read),
        ]);
        let ends: Vec<_> = rows
            .iter()
            .map(|row| (row.id.0, row.event, row.completion.as_ref().map(|end| end.latency.0)))
            .collect();
        assert_eq!(ends, [(0, 0, Some(0)), (1, 1, None), (2, 2, Some(2))]);
        assert_eq!(rows[0].payload, Payload::Zeroes, "what was read is known by the completion");
        assert_eq!(rows[1].payload, Payload::Absent);
    }

    #[test]
    fn the_epoch_counts_released_flushes_of_the_same_device() {
        let (read, flush) = (Operation::Read, Operation::Flush);
        let rows = rows([
            issue(0, 0, flush),
            issue(1, 0, read),
            block(0, 0, flush),
            issue(2, 0, read),
            issue(3, 1, read),
            issue(4, 0, flush),
            block(4, 0, flush),
            issue(5, 0, read),
        ]);
        let epochs: Vec<_> = rows.iter().map(|row| row.epoch).collect();
        assert_eq!(epochs, [0, 0, 1, 0, 1, 2]);
    }

    #[test]
    fn a_request_that_came_early_is_told_when_it_came() {
        let read = Operation::Read;
        let EventKind::Issue(early) = issue(1, 0, read) else { unreachable!() };
        let early = EventKind::Issue(Issue { early: Nanos(2), ..early });
        let rows = rows([issue(0, 0, read), block(0, 0, read), block(9, 0, read), early]);
        let times: Vec<_> = rows.iter().map(|row| (row.time, row.early)).collect();
        assert_eq!(times, [(Nanos(0), Nanos(0)), (Nanos(1), Nanos(2))]);
    }

    #[test]
    fn completions_without_an_issue_are_passed_over() {
        let read = Operation::Read;
        let rows =
            rows([block(7, 0, read), issue(0, 0, read), block(0, 0, read), block(0, 0, read)]);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].completion.is_some());
    }

    #[test]
    fn no_more_rows_are_held_than_the_limit_allows() {
        let read = Operation::Read;
        let mut joiner = Joiner::new();
        let mut given = 0;
        for id in 0..ROWS_HELD_MAX as u64 + 10 {
            joiner.push(id, Event { time: Nanos(id), kind: issue(id, 0, read) });
            while let Some(row) = joiner.pop() {
                assert_eq!((row.id.0, row.completion), (given, None));
                given += 1;
            }
        }
        assert_eq!(given, 10);
        let late = Event { time: Nanos(0), kind: block(3, 0, read) };
        joiner.push(0, late);
        assert_eq!(joiner.open.len(), ROWS_HELD_MAX, "a late completion changes nothing");
    }
}
