//! How fast a log of QEMU is surveyed, as `info` does: `cargo bench -p blkreplay-core --bench qemu_log [-- LOG]`.
//!
//! Without a log it makes one of what most of a real one is: a count of instructions and a checkpoint, again and
//! again, with a completion here and there. Prints the rate; what is counted is held against what was made. Never part
//! of a timed test.

use std::env;
use std::fs;
use std::io::Cursor;
use std::time::Duration;

use blkreplay_core::event::{Checkpoint, EventKind};
use blkreplay_core::qemu::{self, Encoder, Layout};
use blkreplay_core::request::RequestId;
use rustix::time::{ClockId, clock_gettime};

/// Pairs of events of the log that is made.
const PAIRS: u64 = 20_000_000;
/// One completion in so many pairs, as in a log of a booting Linux.
const PAIRS_PER_BLOCK: u64 = 10_000;
/// The best of so many tries counts.
const TRIES: usize = 7;
/// What is wanted, in MB (1,000,000 bytes) a second.
const TARGET: f64 = 300.0;

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() {
    let given = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let log = given.map_or_else(made, |path| fs::read(path).expect("the log can be read"));
    let mut best = Duration::MAX;
    let mut events = 0;
    for _ in 0..TRIES {
        let start = core_time();
        let survey = qemu::survey(Cursor::new(&log), None).expect("memory can be read");
        best = best.min(core_time().saturating_sub(start));
        assert!(survey.stop.is_none(), "{:?}", survey.stop);
        events = survey.tally.events;
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit is printed")]
    let (rate, events) =
        (log.len() as f64 / best.as_secs_f64() / 1e6, events as f64 / best.as_secs_f64() / 1e6);
    println!("survey {rate:>7.1} MB a second a core (wanted {TARGET}), {events:.1} million events");
}

/// What this thread has had of a core so far. The wall clock would count what others do.
fn core_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.try_into().expect("it counts from zero")
}

fn made() -> Vec<u8> {
    let encoder = Encoder::new(Layout::named("0c/v8.0").expect("it is one"));
    let mut log = encoder.header().to_vec();
    let mut put = |kind| encoder.put(&kind, None, &mut log).expect("the layout has all of these");
    put(EventKind::Checkpoint(Checkpoint::Init));
    put(EventKind::Checkpoint(Checkpoint::Reset));
    for pair in 0..PAIRS {
        put(EventKind::Instruction { count: 1 + pair % 5000 });
        put(EventKind::Checkpoint(Checkpoint::ClockWarpAccount));
        if pair % PAIRS_PER_BLOCK == 0 {
            put(EventKind::BlockId { id: RequestId(pair / PAIRS_PER_BLOCK) });
        }
    }
    put(EventKind::End { status: None });
    log
}
