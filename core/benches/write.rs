//! What a request costs the thread that writes the log, without its data: `cargo bench -p blkreplay-core`.
//!
//! Requests are made before the clock starts, and handed over step by step, as a recorder does; the writer's output
//! goes nowhere. Prints nanoseconds of a core a request, and as a yardstick how often a checksum over the same bytes
//! would fit. Invariant: no file, no thread.

#![expect(clippy::cast_precision_loss, reason = "numbers to look at, far below 2^52")]

use std::io::{self, Write};
use std::time::Duration;

use blkreplay_core::event::{Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{
    DeviceHeader, Entry, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
    Writer,
};
use blkreplay_core::request::{
    ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId,
};
use blkreplay_core::units::{ByteRange, Nanos};
use rustix::time::{ClockId, clock_gettime};

/// Requests of one run.
const REQUESTS: u64 = 400_000;

/// Runs; the median counts.
const RUNS: usize = 9;

/// Requests released at one checkpoint.
const DEPTH: u64 = 32;

/// What a request may cost, in nanoseconds.
const TARGET_NS: f64 = 200.0;

/// Takes bytes and keeps their number.
#[derive(Default)]
struct Sink(u64);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn header() -> Header {
    let device = DeviceHeader {
        name: "disk".to_owned(),
        image: "disk.img".to_owned(),
        format: "raw".to_owned(),
        size: 1 << 40,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "bench".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::Hash,
        devices: vec![device],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    }
}

/// What this thread has had of a core so far. The wall clock would count what others do.
fn core_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.try_into().expect("it counts from zero")
}

/// Random reads and writes of 4 KiB, `DEPTH` in flight, with the digests of their data if `payload` says so; one list
/// for each step.
fn steps(payload: Payload) -> Vec<Vec<Entry>> {
    let mut steps = Vec::new();
    let mut random = 1_u64;
    let mut time = 0;
    let mut push = |entries: &mut Vec<Entry>, step: u64, kind| {
        time += step;
        entries.push(Entry { event: Event { time: Nanos(time), kind }, data: None });
    };
    for batch in 0..REQUESTS / DEPTH {
        let mut entries = Vec::new();
        let ids = batch * DEPTH..(batch + 1) * DEPTH;
        for id in ids.clone() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let range = ByteRange::new((random >> 36) * 4096, 4096);
            let request = Request { operation: operation(id), range, flags: Flags::NONE };
            let issue = Issue {
                id: RequestId(id),
                device: DeviceId(0),
                connection: ConnectionId(0),
                cookie: id << 8,
                request,
                payload: if operation(id) == Operation::Write { payload } else { Payload::Absent },
                early: Nanos(0),
            };
            push(&mut entries, 700, EventKind::Issue(issue));
        }
        push(&mut entries, 60_000, EventKind::Checkpoint(Checkpoint::Controller));
        for id in ids {
            let block = Block {
                id: RequestId(id),
                device: DeviceId(0),
                operation: operation(id),
                result: Ok(()),
                latency: Nanos(50_000 + id % 7919),
                hold: Nanos(900 + id % 97),
                flags: CompletionFlags::default(),
                payload: if operation(id) == Operation::Read { payload } else { Payload::Absent },
                extents: Vec::new(),
            };
            push(&mut entries, 0, EventKind::Block(block));
        }
        steps.push(entries);
    }
    steps
}

fn operation(id: u64) -> Operation {
    if id.is_multiple_of(3) { Operation::Write } else { Operation::Read }
}

/// How long the writer takes for all of `steps`, and how many bytes it writes.
fn write(steps: Vec<Vec<Entry>>) -> (Duration, u64) {
    let mut writer = Writer::create(Sink::default(), &header(), 1, 2).expect("a sink takes all");
    let started = core_time();
    for entry in steps.into_iter().flatten() {
        writer.append(entry).expect("a sink takes all");
    }
    let (sink, _) = writer.finish().expect("a sink takes all");
    (core_time().saturating_sub(started), sink.0)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn measure(name: &str, payload: Payload, out: &mut impl Write) -> io::Result<()> {
    let made = steps(payload);
    let runs: Vec<_> = (0..RUNS).map(|_| write(made.clone())).collect();
    let bytes = runs[0].1;
    let written = median(runs.into_iter().map(|(time, _)| time).collect());
    let body = vec![7; usize::try_from(bytes).expect("it fits in memory")];
    let sums = (0..RUNS).map(|_| {
        let started = core_time();
        std::hint::black_box(crc32c::crc32c(std::hint::black_box(&body)));
        core_time().saturating_sub(started)
    });
    let sum = median(sums.collect());
    let each = |time: Duration| time.as_secs_f64() * 1e9 / REQUESTS as f64;
    writeln!(
        out,
        "{name:<8} {:.0} ns of a core a request (target {TARGET_NS:.0}), {:.1} bytes a request; {:.0} times a CRC-32C of the bytes",
        each(written),
        bytes as f64 / REQUESTS as f64,
        each(written) / each(sum),
    )
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    measure("none", Payload::Absent, &mut out)?;
    measure("digests", Payload::Digest(Digest(0x0123_4567_89ab_cdef_0011_2233_4455_6677)), &mut out)
}
