//! `print -f` of a file looks for what is meant in columns, and of a stream goes over all requests: both print the same.
//!
//! Invariant: standard output, standard error and the exit code are the same, but for the name of the trace.

use blkreplay_core::format::Layout;
use blkreplay_fixtures::patch::Parts;
use blkreplay_fixtures::{bytes, damage, kernel, native};

use super::{marked, recorded};
use crate::support::{Finished, Sandbox};

/// Filters of every kind of column, some of which mean nothing, and some that columns cannot say.
const FILTERS: &[&str] = &[
    "write",
    "lat > 0ns",
    "op == write && lat > 50us",
    "!done",
    "err",
    "!(read || lat < 1ms)",
    "off overlaps 0..64k && fua",
    "id in {1, 3..6} && done",
    "t >= 1us && conn == 0",
    "early > 0ns || hold < 100ns",
    "len >= 4k && lat > 1h",
    "write && id in 100000..100001",
    "lat >= p50(lat)",
    "qd > 1 && write",
    "epoch > 0",
];

/// Ways to print.
const FORMS: &[&str] =
    &["", "--json", "--json -n 2", "--format csv -n 1", "--fields id,lat,payload", "-n 0"];

/// Asserts that a filter prints the same of a file and of a stream.
#[track_caller]
fn assert_same(sandbox: &Sandbox, name: &str, filter: &str, form: &str) -> Finished {
    let file = sandbox.blkreplay(&format!("print {name} {form}")).args(["-f", filter]).finish();
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let line = format!("cat {name} | {program} print - {form} -f \"$1\"");
    let stream = sandbox.tool("sh").args(["-c", &line, "sh", filter]).finish();
    let renamed = stream
        .stderr
        .replace("standard input", name)
        .replace("recover - ", &format!("recover {name} "));
    let what = format!("{name} {filter} {form}");
    assert_eq!(file.stdout, stream.stdout, "{what}");
    assert_eq!(file.stderr, renamed, "{what}");
    assert_eq!(file.code(), stream.code(), "{what}");
    file
}

#[test]
fn what_is_meant_of_every_fixture_is_found() {
    let sandbox = Sandbox::new();
    for name in [
        "columns",
        "cut",
        "extended",
        "guest-blocks",
        "guest-columns",
        "guest",
        "indexed",
        "later",
        "operations",
        "sessions",
        "two-devices",
    ] {
        sandbox.write("t.blkr", &bytes(&format!("native/{name}.blkr")));
        for (place, filter) in FILTERS.iter().enumerate() {
            assert_same(&sandbox, "t.blkr", filter, FORMS[place % FORMS.len()]);
        }
    }
}

#[test]
fn what_is_meant_of_a_recording_its_replay_and_what_was_compacted_or_merged_is_found() {
    let sandbox = recorded();
    sandbox.blkreplay("compact t.blkr -o small.blkr").finish().succeeds();
    sandbox
        .blkreplay("replay t.blkr one.img two.img -o again.blkr")
        .finish()
        .ends_with_one_of(&[0, 1]);
    sandbox.blkreplay("merge t.blkr again.blkr -o both.blkr").finish().succeeds();
    for name in ["t.blkr", "small.blkr", "again.blkr", "both.blkr"] {
        for (place, filter) in FILTERS.iter().enumerate() {
            assert_same(&sandbox, name, filter, FORMS[(place + 1) % FORMS.len()]);
        }
    }
    let sandbox = marked();
    for filter in
        ["t >= @'begin", "note == \"begin\"", "payload contains \"E\"", "t < @'begin && lat > 1h"]
    {
        assert_same(&sandbox, "t.blkr", filter, "--json");
    }
}

#[test]
fn what_is_meant_is_found_in_many_chunks() {
    let sandbox = Sandbox::new();
    for (name, trace) in [
        ("long.blkr", native::long(20_000)),
        ("many.blkr", native::many_chunks(60)),
        ("kernel.blkr", kernel::ext4(1, Layout::Rows)),
    ] {
        sandbox.write(name, &trace);
        sandbox.blkreplay(&format!("compact {name} -o small-{name}")).finish().succeeds();
        for name in [name.to_owned(), format!("small-{name}")] {
            for filter in [
                "id in {7, 9999, 15000..15003}",
                "lat > 0ns",
                "flush",
                "write && lat > 1h",
                "off == 0",
            ] {
                assert_same(&sandbox, &name, filter, "--json");
            }
        }
    }
}

#[test]
fn what_is_whole_of_a_hurt_trace_is_found_and_the_rest_is_told() {
    let sandbox = recorded();
    sandbox.blkreplay("compact t.blkr -o small.blkr").finish().succeeds();
    for name in ["t.blkr", "small.blkr"] {
        let whole = sandbox.read(name);
        // The header and a little more.
        let first = whole.windows(4).position(|bytes| bytes == b"BLKC").unwrap();
        for part in 0..24 {
            let place = first + 1 + (whole.len() - first - 2) * part / 24;
            for (hurt, bytes) in [
                ("cut.blkr", whole[..place].to_vec()),
                ("flipped.blkr", damage::flipped(&whole, place)),
            ] {
                sandbox.write(hurt, &bytes);
                for (filter, form) in
                    [("lat > 0ns", "--json"), ("write", "-n 3"), ("id == 2 && lat > 1h", "")]
                {
                    assert_same(&sandbox, hurt, filter, form);
                }
            }
        }
    }
}

#[test]
fn so_many_are_enough_whatever_is_lost_behind_them() {
    let sandbox = Sandbox::holding("native/cut.blkr");
    let all = sandbox.blkreplay("print t.blkr --json").finish().ends_with(3);
    let count = all.stdout.lines().count();
    for (limit, code) in [(1, 0), (count, 0), (count + 1, 3)] {
        sandbox.blkreplay(&format!("print t.blkr --json -n {limit}")).finish().ends_with(code);
        let found = assert_same(&sandbox, "t.blkr", "len >= 0", &format!("--json -n {limit}"));
        found.ends_with(code);
    }
}

#[test]
fn counts_of_a_summary_that_no_trace_can_have_are_in_nobodys_way() {
    let mut parts = Parts::of(&native::many_chunks(5));
    for (id, chunk) in (0..5).zip(parts.events()) {
        let mut counts = vec![1];
        // Requests, completions, errors, bytes.
        for number in [u64::MAX, u64::MAX, 0, 512] {
            counts.extend(leb128(number));
        }
        // As many writes and answers as can be said, at 0+512, and nothing is open.
        let length = u8::try_from(counts.len()).unwrap();
        let summary = [&[1, length], &counts[..], &[2, 5, 0, 0x80, 4, id, 0, 4, 1, 0]];
        chunk.summary = summary.concat();
    }
    let sandbox = Sandbox::new();
    sandbox.write("t.blkr", &parts.bytes());
    for filter in ["read && lat > 1h", "read && len > 1M", "flush"] {
        assert_same(&sandbox, "t.blkr", filter, "").succeeds();
    }
}

/// A number as summaries have it.
fn leb128(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push(u8::try_from(number & 127).unwrap() | 128);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}
