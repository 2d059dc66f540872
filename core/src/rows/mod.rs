//! Joins what was asked with what was answered: events in, one row per request out, in the order of issue.
//!
//! `context` says what a request is among those around it, `written` which ranges were written so far.
//!
//! Reads no files of its own. Invariant: each issue gives exactly one row, and no more than
//! `ROWS_HELD_MAX` rows wait for a completion; beyond that the oldest is given out without one.

mod context;
mod written;

pub use context::Context;
pub use written::Written;

use std::collections::{HashMap, VecDeque};

use crate::event::{Block, CompletionFlags, Event, EventKind, Issue, Payload};
use crate::format::{Events, Loss, ReadError, Start};
use crate::limits::{ROWS_HELD_MAX, WRITTEN_RANGES_MAX};
use crate::request::{ConnectionId, DeviceId, Errno, Extent, Operation, Request, RequestId};
use crate::units::Nanos;
use context::Surroundings;

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
    /// What it is among those around it.
    pub context: Context,
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
    surroundings: Surroundings,
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
        let surroundings = Surroundings::beginning_later();
        Joiner { flushes, surroundings, ..Joiner::default() }
    }

    /// The same, for a trace of so many devices: it knows as well how many requests are in flight, where what the reader says of that
    /// can be of one device alone.
    #[must_use]
    pub(crate) fn knowing_depths(mut self, start: &Start, devices: usize) -> Joiner {
        let open = u32::try_from(start.state.open);
        if let Some(open) = open.ok().filter(|open| *open == 0 || devices == 1) {
            self.surroundings.know_depths(DeviceId(0), open);
        }
        self
    }

    /// Finds out too which reads are of ranges that were never written, which takes memory: at most that of
    /// `WRITTEN_RANGES_MAX` ranges. To be called before the first event; a joiner that starts in the middle cannot know.
    #[must_use]
    pub fn knowing_written(self) -> Joiner {
        self.knowing_ranges(WRITTEN_RANGES_MAX)
    }

    /// The same, with at most so many ranges.
    pub(crate) fn knowing_ranges(mut self, ranges: usize) -> Joiner {
        self.surroundings.keep_written(ranges);
        self
    }

    /// Whether there were so many ranges that some reads of what was never written are not found out.
    pub(crate) fn widened_written(&self) -> bool {
        self.surroundings.widened_written()
    }

    /// Takes the event with this index.
    pub fn push(&mut self, index: u64, event: Event) {
        match event.kind {
            EventKind::Issue(issue) => self.issue(index, event.time, &issue),
            EventKind::Block(block) => self.block(block),
            EventKind::Checkpoint(_) => self.surroundings.checkpoint(),
            EventKind::Mark { name } => self.surroundings.mark(name.as_str()),
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
        let arrived = issue.arrived(time);
        let context = self.surroundings.issue(issue, arrived);
        self.open.insert(id, place);
        self.held.push_back(Row {
            id,
            device,
            connection,
            cookie,
            request,
            event,
            time: arrived,
            early,
            epoch,
            payload,
            completion: None,
            context,
        });
    }

    fn block(&mut self, block: Block) {
        self.surroundings.block(&block);
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
        Rows::joined_by(Joiner::new(), events)
    }

    /// The rows of `events`, put together by `joiner`.
    pub fn joined_by(joiner: Joiner, events: E) -> Rows<E> {
        Rows { events, joiner }
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

    /// The contexts of rows of these kinds, each a millisecond after the one before.
    fn contexts(joiner: Joiner, kinds: impl IntoIterator<Item = EventKind>) -> Vec<Context> {
        let mut joiner = joiner;
        for (index, kind) in (0..).zip(kinds) {
            joiner.push(index, Event { time: Nanos(index * 1_000_000), kind });
        }
        joiner.finish();
        std::iter::from_fn(|| joiner.pop()).map(|row| row.context).collect()
    }

    fn at(id: u64, device: u16, operation: Operation, offset: u64, length: u64) -> EventKind {
        let EventKind::Issue(one) = issue(id, device, operation) else { unreachable!() };
        let request = Request { range: ByteRange::new(offset, length), ..one.request };
        EventKind::Issue(Issue { request, ..one })
    }

    #[test]
    fn a_request_is_told_what_it_is_among_others() {
        let (read, write, flush) = (Operation::Read, Operation::Write, Operation::Flush);
        let mark = |name: &str| EventKind::Mark { name: name.parse().unwrap() };
        let checkpoint = || EventKind::Checkpoint(crate::event::Checkpoint::Controller);
        let contexts = contexts(
            Joiner::new(),
            [
                at(0, 0, write, 0, 512),
                at(1, 0, write, 512, 512),
                mark("a"),
                mark("b"),
                at(2, 1, read, 0, 512),
                checkpoint(),
                block(0, 0, write),
                at(3, 0, flush, 0, 0),
                at(4, 0, read, 256, 256),
            ],
        );
        let depths: Vec<_> = contexts.iter().map(|context| context.depth.unwrap()).collect();
        assert_eq!(depths, [1, 2, 1, 2, 3]);
        let seeks: Vec<_> = contexts.iter().map(|context| context.seek).collect();
        assert_eq!(seeks, [None, Some(0), None, None, Some(-768)]);
        let steps: Vec<_> = contexts.iter().map(|context| context.step.unwrap()).collect();
        assert_eq!(steps, [0, 0, 0, 1, 1]);
        let marks: Vec<_> =
            contexts.iter().map(|context| (context.mark.as_deref(), context.marked)).collect();
        assert_eq!(
            marks,
            [
                (None, false),
                (None, false),
                (Some("b"), true),
                (Some("b"), false),
                (Some("b"), false)
            ]
        );
        let gaps: Vec<_> = contexts.iter().map(|context| context.gap).collect();
        let millis = |millis: u64| Some(Nanos(millis * 1_000_000));
        assert_eq!(gaps, [None, millis(1), millis(3), millis(3), millis(1)]);
        assert!(contexts.iter().all(|context| context.never_written.is_none()));
    }

    #[test]
    fn reads_of_what_nobody_was_to_change_are_found_where_that_is_asked() {
        let (read, write, discard) = (Operation::Read, Operation::Write, Operation::Discard);
        let kinds = [
            at(0, 0, read, 0, 512),
            at(1, 0, write, 256, 512),
            at(2, 0, read, 0, 512),
            at(3, 1, read, 256, 512),
            at(4, 0, discard, 4096, 4096),
            at(5, 0, read, 5000, 1),
            at(6, 0, read, 768, 100),
            at(7, 0, read, 300, 0),
        ];
        let known = contexts(Joiner::new().knowing_written(), kinds.clone());
        let never: Vec<_> = known.iter().map(|context| context.never_written).collect();
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(never, [yes, None, no, yes, None, no, yes, None]);
        let start = Start { state: crate::format::State::default() };
        for context in contexts(Joiner::starting(&start).knowing_written(), kinds) {
            assert_eq!((context.never_written, context.step, context.depth), (None, None, None));
        }
    }

    #[test]
    fn depths_are_known_in_the_middle_where_what_is_open_can_be_of_one_device_alone() {
        let (read, write) = (Operation::Read, Operation::Write);
        let at_start = |open| Start { state: crate::format::State { open, ..Default::default() } };
        let kinds = [
            at(7, 0, write, 0, 512),
            block(3, 0, read),
            at(8, 0, read, 0, 512),
            at(9, 1, read, 0, 512),
        ];
        let depths = |open, devices| {
            let start = at_start(open);
            let joiner = Joiner::starting(&start).knowing_depths(&start, devices);
            let contexts = contexts(joiner, kinds.clone());
            contexts.iter().map(|context| context.depth).collect::<Vec<_>>()
        };
        assert_eq!(depths(2, 1), [Some(3), Some(3), Some(1)]);
        assert_eq!(depths(2, 2), [None; 3]);
        assert_eq!(depths(0, 2), [Some(1), Some(1), Some(1)]);
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
