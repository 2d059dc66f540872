//! A trace as a side of a comparison: it is opened again for each part, and gone to by its chunks.
//!
//! A closure that opens the trace in, requests as compared out. Invariants: a part is the same whether it was gone to or read up
//! to; a trace that turns out not to be whole is trouble, unless that was allowed.

mod summaries;

use std::error::Error;
use std::io::{Read, Seek};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::compared::Compared;
use super::error::{DiffError, Which};
use super::extent::Extent;
use super::joiner::Joiner;
use super::pairing::Pairing;
use super::rule::Barrier;
use super::side::{EpochSums, Part, Requests, Side};
use crate::event::Payload;
use crate::format::{ReadError, Reader, Target};
use crate::limits::REQUEST_DATA_BYTES_MAX;
use crate::request::DeviceId;
use summaries::{chunks, start, sums};

/// Opens a trace once more.
type Open<R> = Box<dyn Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// Readers that are kept for the next part.
const READERS: usize = 2;

/// A trace that can be opened again and again.
pub struct TraceSide<R> {
    open: Open<R>,
    which: Which,
    pairing: Pairing,
    barrier: Barrier,
    allows_loss: bool,
    readers: Mutex<Vec<Reader<R>>>,
    /// Readers that stand at the end, where they know of all payloads.
    ended: Mutex<Vec<Reader<R>>>,
}

impl<R: Read + Seek + Send> TraceSide<R> {
    /// The trace that `open` opens, as one of two sides whose devices are paired.
    pub fn new(
        open: impl Fn() -> Result<Reader<R>, Box<dyn Error + Send + Sync>> + Send + Sync + 'static,
        which: Which,
        pairing: &Pairing,
    ) -> TraceSide<R> {
        TraceSide {
            open: Box::new(open),
            which,
            pairing: pairing.clone(),
            barrier: Barrier::default(),
            allows_loss: false,
            readers: Mutex::default(),
            ended: Mutex::default(),
        }
    }

    /// Counts epochs by another barrier.
    #[must_use]
    pub fn by(mut self, barrier: Barrier) -> TraceSide<R> {
        self.barrier = barrier;
        self
    }

    /// Takes a trace that is cut or damaged as one that ends there. How far it can be compared [`TraceSide::extent`] says.
    #[must_use]
    pub fn allowing_loss(mut self) -> TraceSide<R> {
        self.allows_loss = true;
        self
    }

    /// How far the trace goes. Its indexes say it, unless something is missing or loss is allowed: then it is read.
    pub fn extent(&self) -> Result<Extent, DiffError> {
        let said = if self.allows_loss { None } else { self.extent_said()? };
        match said {
            Some(extent) => Ok(extent),
            None => self.extent_read(),
        }
    }

    /// What indexes and summaries say; `None` if that is not all.
    fn extent_said(&self) -> Result<Option<Extent>, DiffError> {
        let survey = self.reader()?.survey().map_err(|error| self.wrong(error))?;
        let mut extent = self.nothing();
        extent.requests = survey.facts.operations.total().issues;
        extent.whole_requests = u64::MAX;
        extent.whole_epochs.fill(u64::MAX);
        extent.dropped = survey.facts.lost;
        if survey.loss.is_some() {
            extent.loss = survey.loss;
            return Ok(Some(extent));
        }
        if self.barrier == Barrier::None {
            return Ok(Some(extent));
        }
        if self.barrier != Barrier::Flush {
            return Ok(None);
        }
        let mut reader = self.take()?;
        let last = match chunks(&mut reader) {
            Ok(chunks) => chunks.last().map(|chunk| reader.summary(&chunk.entry)).transpose(),
            Err(error) => Err(error),
        };
        let Some(last) = last.map_err(|error| self.wrong(error))? else { return Ok(Some(extent)) };
        self.give(reader);
        let Some(state) = last.state else { return Ok(None) };
        for (own, released) in state.flushes {
            if let Some(device) = self.pairing.compared(self.which, own) {
                extent.released[usize::from(device.0)] = released;
            }
        }
        Ok(Some(extent))
    }

    fn extent_read(&self) -> Result<Extent, DiffError> {
        let mut extent = self.nothing();
        let mut requests = self.go_over(&Part::ALL)?;
        let mut first_open = None;
        extent.whole_epochs.fill(u64::MAX);
        while let Some(request) = requests.next()? {
            extent.requests += 1;
            if request.result.is_none() {
                first_open.get_or_insert(request.place);
                let whole = &mut extent.whole_epochs[usize::from(request.device.0)];
                *whole = request.epoch.min(*whole);
            }
        }
        for device in (0..self.devices()).map(DeviceId) {
            let own = self.pairing.own(self.which, device);
            let released = own.map_or(0, |own| requests.joiner.epoch(own));
            extent.released[usize::from(device.0)] = released;
        }
        if let Some(reader) = requests.reader.take() {
            extent.dropped = reader.facts().lost;
            extent.loss = reader.into_loss();
        }
        if extent.loss.is_some() {
            extent.whole_requests = first_open.unwrap_or(extent.requests);
            let cut = extent.whole_epochs.iter_mut().zip(&extent.released);
            cut.for_each(|(whole, released)| *whole = (*whole).min(*released));
        } else {
            extent.whole_requests = u64::MAX;
            extent.whole_epochs.fill(u64::MAX);
        }
        Ok(extent)
    }

    fn nothing(&self) -> Extent {
        let devices = usize::from(self.devices());
        Extent { released: vec![0; devices], whole_epochs: vec![0; devices], ..Extent::default() }
    }

    fn wrong(&self, error: ReadError) -> DiffError {
        DiffError::Read(error).of(self.which)
    }

    /// A reader of which nothing is known.
    fn reader(&self) -> Result<Reader<R>, DiffError> {
        (self.open)().map_err(|error| DiffError::Again(error).of(self.which))
    }

    fn take(&self) -> Result<Reader<R>, DiffError> {
        kept(&self.readers).map_or_else(|| self.reader(), Ok)
    }

    fn give(&self, reader: Reader<R>) {
        keep(&self.readers, reader);
    }

    /// A reader that knows of all payloads.
    fn at_the_end(&self) -> Result<Reader<R>, DiffError> {
        let mut reader = self.take()?;
        let went = reader.seek(&Target::End).and_then(|_| {
            // It stands at the last chunk of events now, and those of data may lie between it and the end.
            while reader.next_event()?.is_some() {}
            Ok(())
        });
        went.map_err(|error| self.wrong(error))?;
        Ok(reader)
    }

    fn go_over(&self, part: &Part) -> Result<TraceRequests<'_, R>, DiffError> {
        let only = match part.device {
            None => None,
            Some(device) => match self.pairing.own(self.which, device) {
                Some(own) => Some(own),
                None => return Ok(TraceRequests::none(self, part)),
            },
        };
        let mut reader = self.take()?;
        let mut joiner = Joiner::new(self.barrier, only);
        let start = match only {
            Some(own) if self.barrier == Barrier::Flush && part.epochs.start > 0 => {
                start(&mut reader, own, part.epochs.start).map_err(|error| self.wrong(error))?
            }
            _ => None,
        };
        let went = match start {
            Some(start) => {
                joiner.starting(start.place, &start.state.flushes);
                reader.seek(&Target::Event(start.event))
            }
            None => reader.rewind(),
        };
        went.map_err(|error| self.wrong(error))?;
        Ok(TraceRequests { side: self, reader: Some(reader), joiner, part: part.clone(), only })
    }
}

/// A part of a trace that is being read.
struct TraceRequests<'side, R: Read + Seek + Send> {
    side: &'side TraceSide<R>,
    /// `None` once there is nothing to read.
    reader: Option<Reader<R>>,
    joiner: Joiner,
    part: Part,
    /// The device, by its number in the trace.
    only: Option<DeviceId>,
}

impl<'side, R: Read + Seek + Send> TraceRequests<'side, R> {
    fn none(side: &'side TraceSide<R>, part: &Part) -> TraceRequests<'side, R> {
        let mut joiner = Joiner::new(side.barrier, None);
        joiner.finish();
        TraceRequests { side, reader: None, joiner, part: part.clone(), only: None }
    }

    fn next(&mut self) -> Result<Option<Compared>, DiffError> {
        loop {
            if let Some(request) = self.joiner.pop() {
                if !self.part.epochs.contains(&request.epoch) {
                    continue;
                }
                return self.paired(request).map(Some);
            }
            if self.joiner.is_done() {
                return Ok(None);
            }
            if let Some(id) = self.joiner.overdue() {
                return Err(DiffError::Open { id }.of(self.side.which));
            }
            self.read()?;
        }
    }

    /// The request with the number by which its device is compared.
    fn paired(&self, request: Compared) -> Result<Compared, DiffError> {
        let Compared { id, device, .. } = request;
        match self.side.pairing.compared(self.side.which, device) {
            Some(compared) => Ok(Compared { device: compared, ..request }),
            None => Err(DiffError::Device { id, device }.of(self.side.which)),
        }
    }

    fn read(&mut self) -> Result<(), DiffError> {
        let Some(reader) = &mut self.reader else {
            self.joiner.finish();
            return Ok(());
        };
        if let Some((_, event)) = reader.next_event().map_err(|error| self.side.wrong(error))? {
            self.joiner.push(&event);
            if self.only.is_some_and(|only| self.joiner.epoch(only) >= self.part.epochs.end) {
                self.joiner.close();
            }
            return Ok(());
        }
        self.joiner.finish();
        if reader.loss().is_some() && !self.side.allows_loss {
            let loss = self.reader.take().and_then(Reader::into_loss);
            return loss.map_or(Ok(()), |loss| Err(DiffError::Loss(loss).of(self.side.which)));
        }
        Ok(())
    }
}

impl<R: Read + Seek + Send> Requests for TraceRequests<'_, R> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        self.next()
    }
}

impl<R: Read + Seek + Send> Drop for TraceRequests<'_, R> {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            self.side.give(reader);
        }
    }
}

impl<R: Read + Seek + Send> Side for TraceSide<R> {
    fn devices(&self) -> u16 {
        self.pairing.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        Ok(Box::new(self.go_over(part)?))
    }

    fn epoch_sums(&self, device: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        let Some(own) = self.pairing.own(self.which, device) else {
            return Ok(Some(EpochSums::default()));
        };
        if self.barrier != Barrier::Flush || self.allows_loss {
            return Ok(None);
        }
        let mut reader = self.take()?;
        let sums = sums(&mut reader, own).map_err(|error| self.wrong(error))?;
        self.give(reader);
        Ok(sums)
    }

    fn data(&self, of: &Compared) -> Result<Option<Bytes>, DiffError> {
        match of.payload {
            Payload::Zeroes => {
                let length = of.request.data_bytes().min(u64::from(REQUEST_DATA_BYTES_MAX));
                Ok(Some(Bytes::from(vec![0; usize::try_from(length).unwrap_or(0)])))
            }
            Payload::Stored(_, id) => {
                let mut reader = match kept(&self.ended) {
                    Some(reader) => reader,
                    None => self.at_the_end()?,
                };
                let data = reader.payload(id).map_err(|error| self.wrong(error))?;
                keep(&self.ended, reader);
                Ok(Some(data))
            }
            Payload::Absent | Payload::Digest(_) => Ok(None),
        }
    }
}

/// One of the readers that are kept.
fn kept<R>(readers: &Mutex<Vec<Reader<R>>>) -> Option<Reader<R>> {
    readers.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

/// Keeps the reader, if there is room.
fn keep<R>(readers: &Mutex<Vec<Reader<R>>>, reader: Reader<R>) {
    let mut kept = readers.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < READERS {
        kept.push(reader);
    }
}

#[cfg(test)]
mod tests;
