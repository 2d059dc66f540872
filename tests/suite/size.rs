//! What a request costs in a trace, live and compacted: chunk headers, summaries, checkpoints and events counted;
//! data, digests, the file's header and the index not.
//!
//! Invariant: the streams measured are those of real clients and of a real kernel.

use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read, Seek};
use std::ops::ControlFlow;

use blkreplay_core::edit;
use blkreplay_core::format::{Layout, Reader, Writer};
use blkreplay_fixtures::kernel;

use crate::support::Sandbox;
use crate::trace::Trace;

/// What a request may cost where chunks close by size, in bytes.
const LIVE_MAX: f64 = 40.0;

/// What it may cost when it is compacted, in bytes.
const COMPACTED_MAX: f64 = 12.0;

/// In fewer requests, the start of the recording weighs too much.
const REQUESTS_MIN: u64 = 1_000;

/// What a trace holds and what each request costs.
#[derive(Debug, Clone, Copy)]
struct Cost {
    requests: u64,
    bytes_each: f64,
}

fn cost<R: Read + Seek>(open: impl Fn() -> R) -> Cost {
    let survey = Reader::open(open()).unwrap().survey().unwrap();
    assert!(survey.loss.is_none());
    let costs = Reader::open(open()).unwrap().column_costs().unwrap();
    let requests = survey.facts.operations.total().issues;
    let bytes = survey.facts.events_bytes - costs.digests;
    #[expect(clippy::cast_precision_loss, reason = "a few digits matter")]
    let bytes_each = bytes as f64 / requests as f64;
    Cost { requests, bytes_each }
}

fn cost_of_file(sandbox: &Sandbox, name: &str) -> Cost {
    cost(|| BufReader::new(File::open(sandbox.path(name)).unwrap()))
}

/// Compacts `t.blkr` and asserts that the result is small and says the same.
#[track_caller]
pub(crate) fn assert_compacts(sandbox: &Sandbox) {
    sandbox.blkreplay("compact t.blkr -o small.blkr").finish().succeeds();
    let (live, small) = (cost_of_file(sandbox, "t.blkr"), cost_of_file(sandbox, "small.blkr"));
    let bound = if small.requests < REQUESTS_MIN { live.bytes_each } else { COMPACTED_MAX };
    assert!(small.bytes_each <= bound, "{live:?} became {small:?}");
    assert_eq!(Trace::whole(sandbox, "small.blkr").rows, Trace::whole(sandbox, "t.blkr").rows);
    report(sandbox, live, small);
}

/// Says what was measured, for whoever reads the output of the tests.
#[expect(clippy::print_stderr, reason = "a test runner shows it on demand")]
fn report(sandbox: &Sandbox, live: Cost, small: Cost) {
    let bytes = |name| fs::metadata(sandbox.path(name)).unwrap().len();
    eprintln!(
        "SIZE: {} requests, {:.1} bytes each live, {:.1} compacted; files {} and {} bytes",
        live.requests,
        live.bytes_each,
        small.bytes_each,
        bytes("t.blkr"),
        bytes("small.blkr"),
    );
}

#[test]
fn what_a_kernel_does_to_ext4_costs_less_than_forty_bytes_a_request_and_twelve_compacted() {
    let live = kernel::ext4(25, Layout::Rows);
    let before = cost(|| Cursor::new(&live));
    assert!(before.requests >= 10_000, "{before:?}");
    assert!(before.bytes_each <= LIVE_MAX, "{before:?}");
    let mut reader = Reader::open(Cursor::new(&live)).unwrap();
    let writer = Writer::create(Vec::new(), reader.header(), 1, reader.uuid()).unwrap();
    let writer = writer.laid_out(Layout::Columns { level: 9 });
    let go_on = &mut |_| ControlFlow::Continue(());
    let small = edit::compact(&mut reader, writer, go_on).unwrap().0;
    let after = cost(|| Cursor::new(&small));
    assert!(after.bytes_each <= COMPACTED_MAX, "{after:?}");
    let direct = kernel::ext4(25, Layout::Columns { level: 9 });
    assert_eq!(cost(|| Cursor::new(&direct)).requests, after.requests);
    let sandbox = Sandbox::new();
    sandbox.write("t.blkr", &live);
    sandbox.write("small.blkr", &small);
    report(&sandbox, before, after);
}

#[test]
fn what_fio_does_costs_less_than_forty_bytes_a_request_and_twelve_compacted() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 64 << 20);
    sandbox
        .blkreplay(
            "record disk.img -o t.blkr --write -- fio --name=job --ioengine=nbd --uri={uri} \
             --rw=randrw --bs=4k --iodepth=32 --size=64M --output=fio.txt",
        )
        .finish()
        .succeeds();
    let live = cost_of_file(&sandbox, "t.blkr");
    assert!(live.requests >= 10_000, "{live:?}");
    assert!(live.bytes_each <= LIVE_MAX, "{live:?}");
    assert_compacts(&sandbox);
}
