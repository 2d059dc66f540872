//! Several traces as one, with their devices beside each other. Readers come in, a writer takes all events in the order of
//! time.
//!
//! Invariants: events of one trace keep their order; completions stay directly behind their checkpoint; ids count up from
//! 0 in the order of issues; of each trace one event and its open requests are in memory.

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, Seek, Write};
use std::ops::ControlFlow;

use super::copy::Copier;
use super::error::EditError;
use super::kinds::{is_of_machine, is_released};
use crate::event::{Event, EventKind};
use crate::format::{Entry, Events, Item, Reader, WriteError, Writer, Written};
use crate::limits::EDIT_OPEN_MAX;
use crate::request::{ConnectionId, DeviceId, RequestId};
use crate::units::Nanos;

/// A trace to be merged.
#[derive(Debug)]
pub struct Source<R> {
    /// At its beginning.
    pub reader: Reader<R>,
    /// What is added to its times.
    pub shift: Nanos,
}

/// Why traces cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// One of them is to blame.
    #[error("{source}")]
    Source {
        /// Its place among the sources, from 0.
        place: usize,
        /// Why.
        #[source]
        source: EditError,
    },
    /// The new one cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Whoever heard of the progress wanted no more.
    #[error("interrupted after {requests} requests")]
    Interrupted {
        /// Copied so far.
        requests: u64,
    },
    /// Two of them are of virtual machines.
    #[error("two of them have events of virtual machines, which a replay would give to one")]
    TwoMachines {
        /// Place of the first one.
        first: usize,
        /// Place of the second one.
        second: usize,
    },
    /// A completion names its request by a number that means something in its own trace only.
    #[error("event {event} is a completion of which only the number is known")]
    NumberOnly {
        /// Place of the source.
        place: usize,
        /// The event's index.
        event: u64,
    },
    /// An event names a device that its header does not have.
    #[error("event {event} is of device {device}, which the header does not have")]
    NoDevice {
        /// Place of the source.
        place: usize,
        /// The event's index.
        event: u64,
        /// The device.
        device: u16,
    },
    /// Connections have too high numbers to get new ones.
    #[error("event {event} is of connection {connection}, which is too high a number")]
    Connection {
        /// Place of the source.
        place: usize,
        /// The event's index.
        event: u64,
        /// The connection.
        connection: u32,
    },
}

/// Copies all events of `sources` to `writer`, whose header lists their devices in the same order. `progress` hears how many
/// requests were copied, and says whether to go on.
pub fn merge<R: Read + Seek, W: Write>(
    sources: Vec<Source<R>>,
    mut writer: Writer<W>,
    progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(W, Written), MergeError> {
    let count = sources.len();
    let mut device = 0;
    let mut streams = Vec::with_capacity(count);
    for (place, source) in sources.into_iter().enumerate() {
        streams.push(Stream::new(source, place, count, device));
        device += streams[place].devices;
    }
    let mut turns = BTreeSet::new();
    for stream in &mut streams {
        turns.extend(stream.advance()?.map(|time| (time, stream.place)));
    }
    let mut merged = Merged { next_id: 0, machine: None, end: Nanos(0) };
    while let Some((_, place)) = turns.pop_first() {
        let stream = &mut streams[place];
        loop {
            let steps = merged.write_next(stream, &mut writer)?;
            if steps.is_issue && progress(merged.next_id).is_break() {
                return Err(MergeError::Interrupted { requests: merged.next_id });
            }
            let next = stream.advance()?;
            // What is released together stays together.
            if !(steps.is_in_step && stream.is_at_released()) {
                turns.extend(next.map(|time| (time, place)));
                break;
            }
        }
    }
    let missing: u64 = streams.iter().map(|stream| stream.missing).sum();
    writer.lose(u32::try_from(missing).unwrap_or(u32::MAX))?;
    let end = Event { time: merged.end, kind: EventKind::End { status: None } };
    writer.append(Entry { event: end, data: None })?;
    Ok(writer.finish()?)
}

/// One of the traces, and what its next event is.
struct Stream<R> {
    reader: Reader<R>,
    shift: Nanos,
    place: usize,
    /// How many there are.
    streams: usize,
    /// The new number of its device 0.
    first_device: usize,
    devices: usize,
    copier: Copier,
    open: HashMap<RequestId, RequestId>,
    next: Option<(u64, Event)>,
    /// Index of the item behind `next`.
    index: u64,
    /// Events that are missing before `next`.
    missing: u64,
}

impl<R: Read + Seek> Stream<R> {
    fn new(source: Source<R>, place: usize, streams: usize, first_device: usize) -> Stream<R> {
        let Source { reader, shift } = source;
        Stream {
            devices: reader.header().devices.len(),
            reader,
            shift,
            place,
            streams,
            first_device,
            copier: Copier::one_of(streams),
            open: HashMap::new(),
            next: None,
            index: 0,
            missing: 0,
        }
    }

    /// Reads the next event; gives its new time. Notes of kinds that are not known are left out: nobody knows what numbers they
    /// hold.
    fn advance(&mut self) -> Result<Option<Nanos>, MergeError> {
        loop {
            let item = self.reader.next_item().map_err(|error| self.blame(error.into()))?;
            let Some((index, item)) = item else {
                self.next = None;
                return match Events::loss(&mut self.reader) {
                    Some(loss) => Err(self.blame(EditError::Loss(loss))),
                    None => Ok(None),
                };
            };
            self.missing += index.saturating_sub(self.index);
            self.index = index + 1;
            if let Item::Event(mut event) = item {
                event.time = Nanos(event.time.0.saturating_add(self.shift.0));
                let time = event.time;
                self.next = Some((index, event));
                return Ok(Some(time));
            }
        }
    }

    fn is_at_released(&self) -> bool {
        self.next.as_ref().is_some_and(|(_, event)| is_released(&event.kind))
    }

    fn blame(&self, source: EditError) -> MergeError {
        match source {
            EditError::Write(error) => MergeError::Write(error),
            source => MergeError::Source { place: self.place, source },
        }
    }

    fn device(&self, event: u64, device: DeviceId) -> Result<DeviceId, MergeError> {
        let place = usize::from(device.0);
        let new = u16::try_from(self.first_device + place).ok();
        new.filter(|_| place < self.devices).map(DeviceId).ok_or(MergeError::NoDevice {
            place: self.place,
            event,
            device: device.0,
        })
    }

    /// Each trace has every n-th number.
    fn connection(&self, event: u64, connection: ConnectionId) -> Result<ConnectionId, MergeError> {
        let (streams, place) = (self.streams as u64, self.place as u64);
        let new = u64::from(connection.0) * streams + place;
        u32::try_from(new).map(ConnectionId).map_err(|_| MergeError::Connection {
            place: self.place,
            event,
            connection: connection.0,
        })
    }

    /// The event with its new numbers; `None` for what the merged trace says itself.
    fn renumbered(
        &mut self,
        index: u64,
        mut event: Event,
        next_id: &mut u64,
    ) -> Result<Option<Event>, MergeError> {
        match &mut event.kind {
            EventKind::Issue(issue) => {
                if self.open.len() >= EDIT_OPEN_MAX {
                    return Err(self.blame(EditError::TooManyOpen { event: index }));
                }
                self.open.insert(issue.id, RequestId(*next_id));
                issue.id = RequestId(*next_id);
                *next_id += 1;
                issue.device = self.device(index, issue.device)?;
                issue.connection = self.connection(index, issue.connection)?;
            }
            EventKind::Block(block) => {
                let Some(id) = self.open.remove(&block.id) else {
                    // Its issue is missing, and so is its new number.
                    self.missing += 1;
                    return Ok(None);
                };
                block.id = id;
                block.device = self.device(index, block.device)?;
            }
            EventKind::Open { device }
            | EventKind::Length { device, .. }
            | EventKind::Close { device } => *device = self.device(index, *device)?,
            EventKind::Connect(connect) => {
                connect.device = self.device(index, connect.device)?;
                connect.connection = self.connection(index, connect.connection)?;
            }
            EventKind::Disconnect { connection, .. } => {
                *connection = self.connection(index, *connection)?;
            }
            EventKind::BlockId { .. } => {
                return Err(MergeError::NumberOnly { place: self.place, event: index });
            }
            EventKind::End { .. } => return Ok(None),
            _ => {}
        }
        Ok(Some(event))
    }
}

/// What was written of an event.
struct Step {
    is_issue: bool,
    /// What is released may follow.
    is_in_step: bool,
}

/// What the merged trace is so far.
struct Merged {
    next_id: u64,
    /// Place of the trace of a virtual machine.
    machine: Option<usize>,
    end: Nanos,
}

impl Merged {
    fn write_next<R: Read + Seek, W: Write>(
        &mut self,
        stream: &mut Stream<R>,
        writer: &mut Writer<W>,
    ) -> Result<Step, MergeError> {
        let Some((index, event)) = stream.next.take() else {
            return Ok(Step { is_issue: false, is_in_step: false });
        };
        self.end = self.end.max(event.time);
        if is_of_machine(&event.kind) {
            match self.machine {
                Some(first) if first != stream.place => {
                    return Err(MergeError::TwoMachines { first, second: stream.place });
                }
                _ => self.machine = Some(stream.place),
            }
        }
        let is_checkpoint = matches!(event.kind, EventKind::Checkpoint(_));
        let step = Step {
            is_issue: matches!(event.kind, EventKind::Issue(_)),
            is_in_step: is_checkpoint || is_released(&event.kind),
        };
        if let Some(event) = stream.renumbered(index, event, &mut self.next_id)? {
            let missing = u32::try_from(std::mem::take(&mut stream.missing)).unwrap_or(u32::MAX);
            writer.lose(missing)?;
            let copied = stream.copier.copy(event, &mut stream.reader, writer);
            copied.map_err(|error| stream.blame(error))?;
        }
        Ok(step)
    }
}
