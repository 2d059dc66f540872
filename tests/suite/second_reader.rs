//! The second reader, `tests/second_reader.py`, which was written from the page on the format alone: what it
//! prints of a trace is what the program prints, and summaries and indexes say what it finds in the events.
//!
//! Invariant: a difference means that the page, the program or the second reader is wrong.

use std::path::PathBuf;

use blkreplay_core::event::PayloadId;
use blkreplay_core::format::{Layout, Reader};
use blkreplay_fixtures::later::REFUSALS;
use blkreplay_fixtures::patch::Parts;
use blkreplay_fixtures::{bytes, kernel, native};

use crate::support::{Finished, Sandbox};

/// A Python that has the module zstandard: the one in the search path, or that of the system.
fn python(sandbox: &Sandbox) -> &'static str {
    let has_module = |python: &&str| {
        let probe = sandbox.tool(python).args(["-c", "import zstandard"]).finish();
        probe.ends_with_one_of(&[0, 1]).stderr.is_empty()
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_module);
    found.expect("no Python here has the module zstandard: run tests/run.sh, which installs it")
}

fn second_reader(sandbox: &Sandbox, python: &str, arguments: &[&str]) -> Finished {
    let script = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/second_reader.py"));
    let script = script.to_str().unwrap().to_owned();
    let reader = sandbox.tool(python).args(["-B", &script]).args(arguments);
    reader.finish().ends_with_one_of(&[0, 1, 2, 3])
}

/// Reads `trace`, which is in the sandbox, with both readers.
#[track_caller]
fn check(sandbox: &Sandbox, python: &str, trace: &str, codes: &[i32]) {
    for (ours, theirs) in [("--json", &[trace][..]), ("--events --json", &[trace, "--events"])] {
        let first = sandbox.blkreplay(&format!("print {ours} {trace}")).finish();
        let first = first.ends_with_one_of(codes);
        let second = second_reader(sandbox, python, theirs);
        let code = if first.stderr.is_empty() { 0 } else { codes[codes.len() - 1] };
        let second = second.ends_with(code);
        assert_eq!(second.stdout, first.stdout, "{trace}: {second}\n{first}");
    }
}

/// Asserts that the second reader says of a whole trace what we say, and finds its summaries right.
#[track_caller]
pub(crate) fn assert_agrees(sandbox: &Sandbox, trace: &str) {
    let python = python(sandbox);
    check(sandbox, python, trace, &[0]);
    second_reader(sandbox, python, &[trace, "--check"]).succeeds();
}

#[test]
fn a_reader_written_from_the_page_prints_every_native_trace_as_we_do() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    for (name, make) in native::TRACES {
        let codes: &[i32] = if name.contains("cut") { &[3] } else { &[0] };
        sandbox.write("kept.blkr", &bytes(name));
        check(&sandbox, python, "kept.blkr", codes);
        sandbox.write("made.blkr", &make());
        check(&sandbox, python, "made.blkr", codes);
    }
}

#[test]
fn a_reader_written_from_the_page_prints_compacted_traces_as_we_do() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    for (name, make) in native::TRACES.into_iter().filter(|(name, _)| !name.contains("cut")) {
        for (trace, from) in [("kept", bytes(name)), ("made", make())] {
            sandbox.write(&format!("{trace}.blkr"), &from);
            let compact = format!("compact {trace}.blkr -o small.blkr --force");
            sandbox.blkreplay(&compact).finish().succeeds();
            check(&sandbox, python, "small.blkr", &[0]);
            second_reader(&sandbox, python, &["small.blkr", "--check"]).succeeds();
        }
    }
    sandbox.write("t.blkr", &kernel::ext4(3, Layout::Columns { level: 3 }));
    check(&sandbox, python, "t.blkr", &[0]);
}

/// The bytes of the example on the page: each line of its blocks has an offset, a colon, bytes, and what they
/// mean after a semicolon.
fn example() -> Vec<u8> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../book/src/reference/format.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```").filter_map(|block| block.strip_prefix("hex\n"));
    let lines = blocks.flat_map(str::lines).filter_map(|line| line.split_once(": "));
    let digits =
        lines.flat_map(|(_, rest)| rest.split(';').take(1)).flat_map(str::split_whitespace);
    digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

#[test]
fn the_example_on_the_page_is_read_alike() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    sandbox.write("example.blkr", &example());
    check(&sandbox, python, "example.blkr", &[0]);
    check_summaries(&sandbox, python, "example.blkr", 1);
}

/// Holds summaries and indexes of `trace`, which is in the sandbox, against its events.
#[track_caller]
fn check_summaries(sandbox: &Sandbox, python: &str, trace: &str, indexes: usize) {
    let checked = second_reader(sandbox, python, &[trace, "--check"]).succeeds();
    assert_eq!(checked.stderr, format!("{indexes} indexes\n"), "{checked}");
}

#[test]
fn summaries_and_indexes_say_what_the_page_says_that_they_say() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    for (name, make) in native::TRACES.into_iter().filter(|(name, _)| !name.contains("cut")) {
        let made = make();
        let indexes = made.windows(8).filter(|bytes| *bytes == b"BLKINDEX").count();
        sandbox.write("made.blkr", &made);
        check_summaries(&sandbox, python, "made.blkr", indexes);
        sandbox.write("kept.blkr", &bytes(name));
        let has_index =
            ["indexed", "columns", "guest", "extended"].iter().any(|part| name.contains(part));
        check_summaries(&sandbox, python, "kept.blkr", usize::from(has_index));
    }
    let mut parts = Parts::of(&bytes("native/sessions.blkr"));
    // The number of issues of the first operation, behind tag, length and operation.
    parts.events().next().unwrap().summary[3] += 1;
    sandbox.write("wrong.blkr", &parts.bytes());
    second_reader(&sandbox, python, &["wrong.blkr", "--check"]).ends_with(1).says(&["operations"]);
    sandbox.write("many.blkr", &native::many_chunks(2_500));
    check_summaries(&sandbox, python, "many.blkr", 3);
    check(&sandbox, python, "many.blkr", &[0]);
}

#[test]
fn a_reader_written_from_the_page_refuses_what_we_refuse() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    for refusal in &REFUSALS {
        sandbox.write(refusal.name, &(refusal.make)());
        check(&sandbox, python, refusal.name, &[2]);
    }
}

#[test]
fn a_reader_written_from_the_page_finds_the_same_payloads() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    for (trace, count) in [("native/operations.blkr", 1), ("native/sessions.blkr", 1)] {
        sandbox.write("t.blkr", &bytes(trace));
        let mut reader = Reader::open(std::io::Cursor::new(bytes(trace))).unwrap();
        while reader.next_event().unwrap().is_some() {}
        for number in 0..count {
            let arguments = ["t.blkr", "--payload", &number.to_string()];
            let second = second_reader(&sandbox, python, &arguments).succeeds();
            let first = reader.payload(PayloadId(number)).unwrap();
            assert_eq!(second.stdout.as_bytes(), &first[..], "{trace}: payload {number}");
        }
    }
}

#[test]
fn a_reader_written_from_the_page_prints_what_was_just_recorded() {
    let sandbox = Sandbox::new();
    let python = python(&sandbox);
    sandbox.solid("disk.img", 62, 256 << 10);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let client = sandbox.script(
        "client.sh",
        &format!(
            "qemu-io -f raw -c 'write -P 1 0 64k' -c 'read 0 1k' -c 'write -P 0 4k 4k' \
                 -c 'write -z 8k 8k' -c 'discard 32k 32k' -c flush \"$BLKREPLAY_URI\"
             {program} mark halfway
             sleep 0.6
             qemu-io -f raw -c 'write -P 2 512 512' -c 'read 128k 64k' -c 'write -P 1 0 64k' -c flush \
                 \"$BLKREPLAY_URI\""
        ),
    );
    let record = format!("record disk.img -o t.blkr --payload all -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
    check(&sandbox, python, "t.blkr", &[0]);
    check_summaries(&sandbox, python, "t.blkr", 1);
    let whole = sandbox.read("t.blkr");
    for part in [3, 5, 7] {
        sandbox.write("cut.blkr", &whole[..whole.len() * part / 8]);
        check(&sandbox, python, "cut.blkr", &[3]);
    }
}
