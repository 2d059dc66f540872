//! How fast a filter goes over a trace: counts the writes that took more than 5 ms, by a loop over columns that was written
//! for that, and by the filter that says so.
//!
//! `cargo bench -p blkreplay-core --bench scan [-- TRACE]`; without a trace it makes one, in which the image stalls now and
//! then. Prints rates; the counts of all ways of reading are compared. Never part of a timed test.

use std::env;
use std::fs;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::Duration;

use blkreplay_core::edit;
use blkreplay_core::event::{Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{
    Entry, Field, Fields, Header, Layout, LimitsHeader, NO_ISSUE, PayloadPolicy, Reader, Scan,
    Writer,
};
use blkreplay_core::query::{ColumnFilter, Filter, Search};
use blkreplay_core::request::{
    ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId,
};
use blkreplay_core::rows::Rows;
use blkreplay_core::units::{ByteRange, Nanos};
use rustix::time::{ClockId, clock_gettime};

/// Requests of the trace that is made.
const REQUESTS: u64 = 2_000_000;
/// Requests in flight in it.
const DEPTH: u64 = 32;
/// Each way is tried this often; the best time counts.
const TRIES: usize = 7;

/// The image stalls once in so many times.
const STALLS: u64 = 40_000;

const LATENCY_MIN_NS: u64 = 5_000_000;
const FILTER: &str = "op == write && lat > 5ms";

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() {
    let given = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let live = given.map_or_else(made, |path| fs::read(path).expect("the trace can be read"));
    let compacted = compacted(&live);
    let (rows_count, requests) = by_rows(&live);
    for (name, trace) in [("live", &live), ("compacted", &compacted)] {
        for (way, count) in [("by hand", scan as fn(&[u8]) -> u64), ("filter", search)] {
            let mut best = Duration::MAX;
            for _ in 0..TRIES {
                let start = core_time();
                let count = count(trace);
                best = best.min(core_time().saturating_sub(start));
                assert_eq!(count, rows_count, "all ways count the same");
            }
            #[expect(clippy::cast_precision_loss, reason = "one digit is printed")]
            let (rate, each) =
                (requests as f64 / best.as_secs_f64() / 1e6, trace.len() as f64 / requests as f64);
            println!(
                "scan {name:<10} {way:<8} {rate:>7.1} million requests a second a core, {each:.1} bytes each, {rows_count} of {requests} found"
            );
        }
    }
}

/// What this thread has had of a core so far. The wall clock would count what others do.
fn core_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.try_into().expect("it counts from zero")
}

/// Counts by column.
fn scan(trace: &[u8]) -> u64 {
    let reader = Reader::open(Cursor::new(trace)).expect("a trace");
    let wanted = Fields::of(&[Field::IssueOperation, Field::BlockIssue, Field::BlockLatency]);
    let mut scan = Scan::new(reader, wanted);
    let mut count = 0;
    while let Some(chunk) = scan.next_chunk().expect("it can be read") {
        let issues = &chunk.issues;
        for (latency, issue) in chunk.blocks.latency.iter().zip(&chunk.blocks.issue) {
            if *latency > LATENCY_MIN_NS && *issue != NO_ISSUE {
                let issue = *issue as usize;
                count += u64::from(issues.operation[issue] == Operation::Write as u8);
            }
        }
    }
    assert!(scan.loss().is_none());
    count
}

/// Counts what the filter finds.
fn search(trace: &[u8]) -> u64 {
    let reader = Reader::open(Cursor::new(trace)).expect("a trace");
    let filter = Filter::of(FILTER, reader.header()).expect("a filter");
    let filter = ColumnFilter::of(&filter).expect("columns have all of it");
    let mut search = Search::new(reader, filter);
    let mut count = 0;
    while let Some(found) = search.next_found().expect("it can be read") {
        count += found.len() as u64;
    }
    assert!(search.loss().is_none());
    count
}

/// Counts request by request; says how many requests there are.
fn by_rows(trace: &[u8]) -> (u64, u64) {
    let mut rows = Rows::new(Reader::open(Cursor::new(trace)).expect("a trace"));
    let (mut count, mut requests) = (0, 0);
    while let Some(row) = rows.next_row().expect("it can be read") {
        requests += 1;
        let slow = row.completion.is_some_and(|done| done.latency.0 > LATENCY_MIN_NS);
        count += u64::from(slow && row.request.operation == Operation::Write);
    }
    (count, requests)
}

fn compacted(live: &[u8]) -> Vec<u8> {
    let mut reader = Reader::open(Cursor::new(live)).expect("a trace");
    let writer = Writer::create(Vec::new(), reader.header(), 1, reader.uuid());
    let writer = writer.expect("a vector takes all").laid_out(Layout::Columns { level: 9 });
    let done = edit::compact(&mut reader, writer, &mut |_| ControlFlow::Continue(()));
    done.expect("a whole trace").0
}

/// A generator of noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// Random reads and writes of 4 to 32 KiB at a depth, released in groups, with digests of the writes.
fn made() -> Vec<u8> {
    let header = Header {
        tool: "bench".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::Hash,
        devices: Vec::new(),
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 1 << 26, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    };
    let mut writer = Writer::create(Vec::new(), &header, 1, 1).expect("a vector takes all");
    let mut noise = Noise(1);
    let mut add = |time: u64, kind| {
        let event = Event { time: Nanos(time), kind };
        writer.append(Entry { event, data: None }).expect("a vector takes all");
    };
    let (mut time, mut asked, mut flying) = (0, 0, Vec::new());
    while asked < REQUESTS || !flying.is_empty() {
        while asked < REQUESTS && (flying.len() as u64) < DEPTH {
            let issue = issue(asked, &mut noise);
            flying.push((asked, time, issue.request.operation));
            add(time, EventKind::Issue(issue));
            asked += 1;
        }
        time += 20_000 + noise.below(60_000);
        if noise.below(STALLS) == 0 {
            time += 8_000_000;
        }
        add(time, EventKind::Checkpoint(Checkpoint::Controller));
        let hold = 1_000 + noise.below(4_000);
        let released = (1 + noise.below(8)).min(flying.len() as u64);
        for _ in 0..released {
            let place = usize::try_from(noise.below(4.min(flying.len() as u64))).expect("small");
            let (id, issued, operation) = flying.remove(place);
            add(time, EventKind::Block(block(id, operation, time - issued, hold)));
        }
        time += 3_000 + noise.below(3_000);
    }
    add(time, EventKind::End { status: None });
    writer.finish().expect("a vector takes all").0
}

fn issue(id: u64, noise: &mut Noise) -> Issue {
    let write = noise.below(2) == 0;
    let (offset, length) = (noise.below(1 << 24) << 12, (1 + noise.below(8)) << 12);
    let digest = Digest::of(&id.to_le_bytes());
    Issue {
        id: RequestId(id),
        device: DeviceId(0),
        connection: ConnectionId(0),
        cookie: id + 1,
        request: Request {
            operation: if write { Operation::Write } else { Operation::Read },
            range: ByteRange::new(offset, length),
            flags: Flags::NONE,
        },
        payload: if write { Payload::Digest(digest) } else { Payload::Absent },
        early: Nanos(0),
    }
}

fn block(id: u64, operation: Operation, since: u64, hold: u64) -> Block {
    let hold = hold.min(since);
    Block {
        id: RequestId(id),
        device: DeviceId(0),
        operation,
        result: Ok(()),
        latency: Nanos(since - hold),
        hold: Nanos(hold),
        flags: CompletionFlags::default(),
        payload: Payload::Absent,
        extents: Vec::new(),
    }
}
