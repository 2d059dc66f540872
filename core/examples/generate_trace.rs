//! Writes a long trace quickly, for benchmarks: `cargo run --release --example generate_trace -- FILE REQUESTS [STALLS]`.
//!
//! No data are stored. The requests look like those of a busy disk: 4 KiB to 256 KiB, random and in sequence,
//! 32 in flight, answered out of order, a flush now and then. STALLS is how many requests there are to a stall of
//! 8 ms, a million unless said otherwise. Invariant: the same arguments give the same file.

#![expect(clippy::cast_precision_loss, reason = "numbers to look at, far below 2^52")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Write};

use blkreplay_core::event::{Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{
    DeviceHeader, Entry, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
    Writer,
};
use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request, RequestId};
use blkreplay_core::units::{ByteRange, Nanos};

/// Bytes of the disk.
const SIZE: u64 = 1 << 40;

/// Requests released at one checkpoint.
const DEPTH: u64 = 32;

/// One flush in so many requests.
const FLUSH_EVERY: u64 = 1024;

/// One stall in so many requests, unless said otherwise.
const STALL_EVERY: u64 = 1_000_000;

/// How long a stall is.
const STALL_NS: u64 = 8_000_000;

fn header(requests: u64) -> Header {
    let device = DeviceHeader {
        name: "disk".to_owned(),
        image: "disk.img".to_owned(),
        format: "raw".to_owned(),
        size: SIZE,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: concat!("blkreplay ", env!("CARGO_PKG_VERSION")).to_owned(),
        command: vec!["generate_trace".to_owned(), requests.to_string()],
        wall_clock_ns: 1_795_000_000_000_000_000,
        payload: PayloadPolicy::None,
        devices: vec![device],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    }
}

/// The clock and the dice of a trace.
struct Maker<W: Write> {
    writer: Writer<W>,
    time: u64,
    random: u64,
    /// Where a client that reads in sequence has got to.
    sequence: u64,
    /// One stall in so many requests.
    stall_every: u64,
}

impl<W: Write> Maker<W> {
    fn random(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn add(&mut self, step: u64, kind: EventKind) -> Result<(), Box<dyn Error>> {
        self.time += step;
        let event = Event { time: Nanos(self.time), kind };
        Ok(self.writer.append(Entry { event, data: None })?)
    }

    fn request(&mut self, id: u64) -> Request {
        let dice = self.random();
        if id % FLUSH_EVERY == FLUSH_EVERY - 1 {
            let range = ByteRange::default();
            return Request { operation: Operation::Flush, range, flags: Flags::NONE };
        }
        let operation = match dice % 20 {
            0..9 => Operation::Read,
            9..18 => Operation::Write,
            18 => Operation::Discard,
            _ => Operation::WriteZeroes,
        };
        let fua = operation == Operation::Write && dice.is_multiple_of(64);
        let flags = if fua { Flags::FUA } else { Flags::NONE };
        let range = if (dice >> 8).is_multiple_of(4) {
            let start = self.sequence;
            self.sequence = (start + (256 << 10)) % SIZE;
            ByteRange::new(start, 256 << 10)
        } else {
            ByteRange::new((dice >> 20) % (SIZE / 4096) * 4096, 4096 << ((dice >> 10) % 4))
        };
        Request { operation, range, flags }
    }

    /// `DEPTH` requests from `first` on, and their answers.
    fn batch(&mut self, first: u64, count: u64) -> Result<(), Box<dyn Error>> {
        let mut asked = Vec::new();
        for id in first..first + count {
            let request = self.request(id);
            asked.push((id, request.operation, self.random()));
            let issue = Issue {
                id: RequestId(id),
                device: DeviceId(0),
                connection: ConnectionId(0),
                cookie: id,
                request,
                payload: Payload::Absent,
                early: Nanos(0),
            };
            let step = 300 + self.random() % 500;
            self.add(step, EventKind::Issue(issue))?;
        }
        let stalls = (first + count) / self.stall_every > first / self.stall_every;
        let stall = if stalls { STALL_NS } else { 0 };
        let step = 20_000 + self.random() % 40_000 + stall;
        self.add(step, EventKind::Checkpoint(Checkpoint::Controller))?;
        asked.sort_unstable_by_key(|(id, _, dice)| id / 4 * 4 + dice % 8);
        for (id, operation, dice) in asked {
            let block = Block {
                id: RequestId(id),
                device: DeviceId(0),
                operation,
                result: Ok(()),
                latency: Nanos(15_000 + dice % 40_000 + stall),
                hold: Nanos(500 + dice % 3000),
                flags: CompletionFlags::default(),
                payload: Payload::Absent,
                extents: Vec::new(),
            };
            self.add(0, EventKind::Block(block))?;
        }
        Ok(self.writer.tick(Nanos(self.time))?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (path, requests, stalls) = match arguments.as_slice() {
        [path, requests] => (path, requests, None),
        [path, requests, stalls] => (path, requests, Some(stalls)),
        _ => return Err("two or three arguments are wanted: FILE REQUESTS [STALLS]".into()),
    };
    let requests: u64 = requests.parse()?;
    let stall_every = stalls.map_or(Ok(STALL_EVERY), |stalls| stalls.parse())?.max(1);
    let writer = Writer::create(File::create(path)?, &header(requests), 0x7261_6e64_6f6d, 5)?;
    let mut maker = Maker { writer, time: 0, random: 1, sequence: 0, stall_every };
    for first in (0..requests).step_by(usize::try_from(DEPTH)?) {
        maker.batch(first, DEPTH.min(requests - first))?;
    }
    maker.add(1000, EventKind::End { status: Some(0) })?;
    let (_, written) = maker.writer.finish()?;
    let each = written.bytes as f64 / requests as f64;
    writeln!(io::stdout(), "{} bytes, {each:.1} a request", written.bytes)?;
    Ok(())
}
