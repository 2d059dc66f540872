//! Reads the events of a log one by one. Bytes come in, events with their place go out.
//!
//! Knows one layout, which somebody chose. Invariants: memory does not grow with the log; after the last whole event it
//! gives none, and says why if that is not the end.

use std::io::{self, Read};

use super::check::LogPlace;
use super::codes::Codes;
use super::decode::{self, Fault};
use super::encode::HEADER_BYTES;
use super::header::{LogError, LogHeader};
use super::layout::Layout;
use super::stop::{Stop, Why};
use crate::event::{Checkpoint, Event, EventKind};
use crate::units::Nanos;

/// How much is read at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// An event of a log, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Its index, from 0.
    pub index: u64,
    /// Its first byte in the file.
    pub at: u64,
    /// How many instructions the guest had executed; those that the event itself counts are among them.
    pub icount: u64,
    /// The checkpoint at which an asynchronous event was written; logs up to version 0xe0200a say it.
    pub checkpoint: Option<Checkpoint>,
    /// What happened. A log has no times: it is at 0.
    pub event: Event,
}

/// Reads a log forward.
#[derive(Debug)]
pub struct LogReader<R> {
    input: R,
    codes: Codes,
    header: LogHeader,
    window: Vec<u8>,
    /// How much of the window was decoded.
    done: usize,
    /// Where the next event is.
    at: u64,
    index: u64,
    icount: u64,
    end: End,
}

/// How far a reader has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    NotYet,
    /// At the end event.
    Reached,
    Stopped(Stop),
}

impl<R: Read> LogReader<R> {
    /// Reads the log that `input` stands at the beginning of, in this layout.
    pub fn new(mut input: R, layout: &'static Layout) -> Result<LogReader<R>, LogError> {
        let header = LogHeader::take(&mut input)?;
        let start = LogPlace { at: HEADER_BYTES as u64, event: 0, icount: 0 };
        Ok(LogReader::resume(input, header, layout, start))
    }

    /// Reads on from a place that another reader of the same log was at: `input` stands at that byte.
    pub fn resume(
        input: R,
        header: LogHeader,
        layout: &'static Layout,
        place: LogPlace,
    ) -> LogReader<R> {
        LogReader {
            input,
            codes: Codes::of(layout),
            header,
            window: Vec::new(),
            done: 0,
            at: place.at,
            index: place.event,
            icount: place.icount,
            end: End::NotYet,
        }
    }

    /// Where the next event is, or would be.
    pub fn place(&self) -> LogPlace {
        LogPlace { at: self.at, event: self.index, icount: self.icount }
    }

    /// The header.
    pub fn header(&self) -> LogHeader {
        self.header
    }

    /// The layout that is read.
    pub fn layout(&self) -> &'static Layout {
        self.codes.layout
    }

    /// Whether the next event may have to be waited for, because none is whole in memory.
    pub fn may_wait(&self) -> bool {
        self.end == End::NotYet && decode::skip(&self.codes, &self.window[self.done..]).is_err()
    }

    /// The next event; `None` behind the last that is whole.
    pub fn next_event(&mut self) -> Result<Option<LogEvent>, LogError> {
        while self.end == End::NotYet {
            let rest = &self.window[self.done..];
            match decode::event(&self.codes, rest) {
                Ok((behind, decoded)) => {
                    let length = rest.len() - behind.len();
                    return Ok(Some(self.pass(decoded, length)));
                }
                Err(nom::Err::Incomplete(_)) => {
                    if self.fill()? == 0 {
                        let bytes = (self.window.len() - self.done) as u64;
                        self.stop(if bytes == 0 { Why::NoEnd } else { Why::Cut { bytes } });
                    }
                }
                Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => self.refuse(fault),
            }
        }
        Ok(None)
    }

    /// Why the log is not whole, once there is no next event. Reads on behind the end event to see what follows.
    pub fn stop_at(&mut self) -> Result<Option<Stop>, LogError> {
        if self.end == End::Reached {
            let kept = (self.window.len() - self.done) as u64;
            let more = io::copy(&mut self.input, &mut io::sink());
            let more = more.map_err(|source| LogError::Read { at: self.at + kept, source })?;
            self.window.clear();
            self.done = 0;
            if kept + more > 0 {
                self.stop(Why::Trailing { bytes: kept + more });
            }
        }
        match self.end {
            End::Stopped(stop) => Ok(Some(stop)),
            End::NotYet | End::Reached => Ok(None),
        }
    }

    fn pass(&mut self, decoded: decode::Decoded, length: usize) -> LogEvent {
        let decode::Decoded { checkpoint, kind } = decoded;
        match kind {
            EventKind::Instruction { count } => self.icount += count,
            EventKind::End { .. } => self.end = End::Reached,
            _ => {}
        }
        let (index, at, icount) = (self.index, self.at, self.icount);
        self.index += 1;
        self.at += length as u64;
        self.done += length;
        LogEvent { index, at, icount, checkpoint, event: Event { time: Nanos(0), kind } }
    }

    fn refuse(&mut self, fault: Fault) {
        self.stop(Why::Fault(fault));
    }

    fn stop(&mut self, why: Why) {
        self.end = End::Stopped(Stop { at: self.at, event: self.index, icount: self.icount, why });
    }

    /// Reads more; gives how much.
    fn fill(&mut self) -> Result<usize, LogError> {
        self.window.drain(..self.done);
        self.done = 0;
        let kept = self.window.len();
        self.window.resize(kept + READ_BYTES, 0);
        let read = loop {
            match self.input.read(&mut self.window[kept..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let read = read.map_err(|source| LogError::Read { at: self.at + kept as u64, source });
        self.window.truncate(kept + *read.as_ref().unwrap_or(&0));
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::Encoder;
    use crate::request::RequestId;

    #[test]
    fn a_reader_that_goes_on_where_another_was_gives_the_events_that_follow() {
        let layout = Layout::named("0c/v8.0").unwrap();
        let encoder = Encoder::new(layout);
        let mut log = encoder.header().to_vec();
        for id in 0..20 {
            encoder.put(&EventKind::Instruction { count: 7 + id }, None, &mut log).unwrap();
            encoder.put(&EventKind::BlockId { id: RequestId(id) }, None, &mut log).unwrap();
        }
        let all = |mut reader: LogReader<&[u8]>| {
            let mut events = Vec::new();
            while let Some(event) = reader.next_event().unwrap() {
                events.push(event);
            }
            (events, reader.stop_at().unwrap())
        };
        let (events, stop) = all(LogReader::new(&log[..], layout).unwrap());
        assert_eq!((events.len(), stop.unwrap().why), (40, Why::NoEnd));
        let mut reader = LogReader::new(&log[..], layout).unwrap();
        for read in 0..=events.len() {
            let place = reader.place();
            let rest = &log[usize::try_from(place.at).unwrap()..];
            let resumed = LogReader::resume(rest, reader.header(), layout, place);
            assert_eq!(all(resumed), (events[read..].to_vec(), stop));
            reader.next_event().unwrap();
        }
    }
}
