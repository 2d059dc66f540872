//! The metadata of a trace that is recovered: those of the damaged one, or if they cannot be read what its events
//! tell, and nothing else.
//!
//! Chunks in, a [`Header`] out. Invariants: it says what it is worth; no more devices than `DEVICES_MAX`, whatever
//! events name.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::beginning::Beginning;
use super::body::Body;
use super::decode::Decoded;
use super::frame::ChunkType;
use super::header::{
    DeviceHeader, Fingerprint, FingerprintMethod, Header, HeaderWorth, LimitsHeader, PayloadPolicy,
    RecoveredHeader,
};
use super::reader::ReadError;
use super::walk::{Piece, Walk};
use crate::event::{Event, EventKind, Payload};
use crate::limits::{CONNECTION_REQUESTS_MAX, DEVICES_MAX, REQUEST_DATA_BYTES_MAX};
use crate::request::DeviceId;

/// What events tell of the devices and of the data kept.
#[derive(Debug, Default)]
struct Told {
    /// Sizes in bytes by number; the last byte touched, if no event says the size.
    devices: BTreeMap<u16, u64>,
    digests: bool,
    data_written: bool,
    data_read: bool,
}

/// The metadata of the new trace, which `tool` makes of what is left. Those of the old one are taken out of its
/// `beginning`.
pub(super) fn header<R: Read + Seek>(
    walk: &mut Walk<R>,
    beginning: &mut Beginning,
    tool: &str,
) -> Result<Header, ReadError> {
    let mut header = match beginning.header.take() {
        Some(header) => header,
        None => of_events(walk, beginning.end)?,
    };
    // What was said of an earlier rescue holds on, if it is worse.
    let before = header.recovered.map_or(HeaderWorth::Whole, |before| before.header);
    let worth = if beginning.worth == HeaderWorth::Whole { before } else { beginning.worth };
    let (tool, bytes) = (tool.to_owned(), walk.length());
    header.recovered = Some(RecoveredHeader { tool, header: worth, bytes });
    Ok(header)
}

/// Walks the whole file for its events, and back to its first chunk at `begin`.
fn of_events<R: Read + Seek>(walk: &mut Walk<R>, begin: u64) -> Result<Header, ReadError> {
    let mut told = Told::default();
    while let Some(piece) = walk.next()? {
        let Piece::Chunk(found) = piece else { continue };
        let (ChunkType::Events, Ok(body)) = (found.chunk.header.holds, found.body) else {
            continue;
        };
        let Ok(mut decoder) = Body::open(&found.chunk.header, body) else { continue };
        while let Ok(decoded) = decoder.next() {
            match decoded {
                Decoded::Event(event) => told.take(&event),
                Decoded::Skipped(_) => {}
                Decoded::Unknown { .. } | Decoded::Done => break,
            }
        }
    }
    walk.rewind(begin);
    Ok(told.header())
}

impl Told {
    fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Length { device, length } => self.device(*device, *length),
            EventKind::Open { device } => self.device(*device, 0),
            EventKind::Issue(issue) => {
                self.device(issue.device, 0);
                self.payload(issue.payload, true);
            }
            EventKind::Block(block) => self.payload(block.payload, false),
            _ => {}
        }
    }

    fn device(&mut self, device: DeviceId, size: u64) {
        if usize::from(device.0) < DEVICES_MAX {
            let known = self.devices.entry(device.0).or_default();
            *known = size.max(*known);
        }
    }

    fn payload(&mut self, payload: Payload, written: bool) {
        match payload {
            Payload::Absent => {}
            Payload::Zeroes | Payload::Digest(_) => self.digests = true,
            Payload::Stored(..) if written => self.data_written = true,
            Payload::Stored(..) => self.data_read = true,
        }
    }

    fn header(self) -> Header {
        let payload = match (self.data_read, self.data_written, self.digests) {
            (true, ..) => PayloadPolicy::All,
            (_, true, _) => PayloadPolicy::Write,
            (_, _, true) => PayloadPolicy::Hash,
            _ => PayloadPolicy::None,
        };
        let count = self.devices.last_key_value().map_or(0, |(last, _)| last + 1);
        let device = |number| DeviceHeader {
            name: format!("device-{number}"),
            image: String::new(),
            format: "raw".to_owned(),
            size: self.devices.get(&number).copied().unwrap_or(0),
            block_min: 1,
            block_preferred: 4096,
            read_only: false,
            discard: false,
            fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
        };
        Header {
            tool: "unknown".to_owned(),
            command: Vec::new(),
            wall_clock_ns: 0,
            payload,
            devices: (0..count).map(device).collect(),
            exports: Vec::new(),
            limits: LimitsHeader {
                request_data_bytes: REQUEST_DATA_BYTES_MAX,
                connection_requests: CONNECTION_REQUESTS_MAX,
            },
            recovered: None,
            replay: None,
            edits: crate::format::Edits::default(),
        }
    }
}
