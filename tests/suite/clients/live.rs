//! Clients that run twice: recorded once, and then again behind a replay, which answers as the recording did.
//!
//! Invariant: a client that does the same again is not told to diverge, however often; one that does anything else is,
//! by the request in question.

/// How COMMAND ends, and what ends it.
mod command;
/// Clients that come, go and come again.
mod connections;
/// Several disks in one trace.
mod devices;
/// Clients that may use extended headers, or may not.
mod extended;
/// Random I/O at depth, with data that are the same each time, and with data that are not.
mod fio;
/// Replays that tell of a difference and go on.
mod goes_on;
/// Images that are not as they were when they were recorded.
mod images;
/// Half a gigabyte over four connections, whose threads run as they like.
mod nbdcopy;
/// What a replay writes of itself.
mod own_trace;
/// Replays that end before the recording does, or that have no more than the trace.
mod parts;
/// Copies whose requests go out in no order.
mod qemu_img;
/// A script, and what is said when one line of it is another.
mod qemu_io;
/// A virtual machine that replays itself on a disk that we replay.
mod qemu_vm;
/// Answers that wait for their time.
mod times;

use serde_json::Value;

use crate::support::{Finished, Sandbox};
use crate::trace::{Row, Trace};

/// Records `client` on `disk.img` into `t.blkr`.
#[track_caller]
pub(super) fn record(sandbox: &Sandbox, options: &str, client: &str) -> Trace {
    record_on(sandbox, "disk.img", options, client)
}

/// Records `client` on these images into `t.blkr`.
#[track_caller]
fn record_on(sandbox: &Sandbox, images: &str, options: &str, client: &str) -> Trace {
    sandbox
        .blkreplay(&format!("record {images} -o t.blkr {options} -- {client}"))
        .finish()
        .succeeds();
    let trace = Trace::whole(sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    trace
}

/// Runs `client` behind a replay of `t.blkr`; `options` has the image, if there is one.
#[track_caller]
pub(super) fn replay(sandbox: &Sandbox, options: &str, client: &str) -> Replay {
    let arguments = format!("replay t.blkr {options} --json -- {client}");
    Replay::of(sandbox.blkreplay(&arguments).finish())
}

/// A live replay that is over.
pub(super) struct Replay {
    finished: Finished,
    /// What `--json` says, if anything.
    json: Value,
}

impl Replay {
    #[track_caller]
    fn of(finished: Finished) -> Replay {
        let json = finished.stdout.lines().find(|line| line.contains("\"blkreplay.replay/1\""));
        let json = json.map_or(Value::Null, |line| serde_json::from_str(line).unwrap());
        Replay { finished, json }
    }

    /// Asserts that the client did what it had done when `trace` was recorded, all of it.
    #[track_caller]
    pub(super) fn repeats(self, trace: &Trace) {
        let Replay { finished, json } = self;
        let finished = finished.ends_with(0);
        assert_eq!(json["verdict"], "same", "{finished}");
        assert_eq!(json["replayed"], trace.rows.len(), "{finished}");
    }

    /// Asserts that it was told to diverge, in one of the ways of `kinds`, at one of `rows`.
    #[track_caller]
    pub(super) fn diverges_at<'a>(
        self,
        kinds: &[&str],
        rows: impl IntoIterator<Item = &'a Row>,
    ) -> Diverged {
        let Replay { finished, json } = self;
        let finished = finished.ends_with(1);
        assert_eq!(json["verdict"], "diverged", "{finished}");
        let kind = json["divergence"]["kind"].as_str().unwrap_or_default();
        assert!(kinds.contains(&kind), "{kind:?} is none of {kinds:?}: {finished}");
        let named = |row: &&Row| {
            let words = finished.stderr.split(|c: char| c != '#' && !c.is_ascii_digit());
            words.into_iter().any(|word| word == format!("#{}", row.id))
        };
        let rows: Vec<&Row> = rows.into_iter().collect();
        assert!(!rows.is_empty(), "the trace has such a request: {finished}");
        assert!(rows.iter().any(named), "none of {rows:?} is named: {finished}");
        Diverged { finished, fields: json["divergence"]["fields"].clone() }
    }
}

/// A replay that was told to diverge, where it should be.
pub(super) struct Diverged {
    finished: Finished,
    fields: Value,
}

impl Diverged {
    /// Asserts in what the requests differ.
    #[track_caller]
    pub(super) fn in_fields(self, fields: &[&str]) -> Diverged {
        assert_eq!(self.fields, serde_json::json!(fields), "{}", self.finished);
        self
    }

    /// Asserts what people are told.
    #[track_caller]
    pub(super) fn says(self, texts: &[&str]) {
        self.finished.says(texts);
    }
}
