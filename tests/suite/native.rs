//! The native fixtures: traces that are kept for ever, what `print` makes of them, and what our writer makes today.
//!
//! `BLKREPLAY_BLESS=1` writes the expected texts anew, and traces that are not there; it never changes a trace
//! that is. Invariants: the bytes that were committed read as their texts, whatever version reads them; what the
//! writer makes today says the same, in whatever bytes.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};

use blkreplay_core::event::{Event, EventKind, Payload};
use blkreplay_core::format::Reader;
use blkreplay_fixtures::{bytes, native, path};

/// What is expected of a trace: its name, the options of `print`, the file with its text, the exit code.
type Expected = (&'static str, &'static [&'static str], &'static str, i32);

const CANONICAL: &[&str] = &["--format", "canonical"];
const EVENTS_JSON: &[&str] = &["--events", "--json"];

#[rustfmt::skip]
const EXPECTED: [Expected; 37] = [
    ("native/columns.blkr", &[], "native/operations.txt", 0),
    ("native/columns.blkr", &["--events", "--json"], "native/operations.events.jsonl", 0),
    ("native/operations.blkr", &[], "native/operations.txt", 0),
    ("native/operations.blkr", &["--events"], "native/operations.events.txt", 0),
    ("native/operations.blkr", &["--json"], "native/operations.jsonl", 0),
    ("native/operations.blkr", EVENTS_JSON, "native/operations.events.jsonl", 0),
    ("native/operations.blkr", CANONICAL, "native/operations.canonical.txt", 0),
    ("native/two-devices.blkr", &[], "native/two-devices.txt", 0),
    ("native/two-devices.blkr", &["--json"], "native/two-devices.jsonl", 0),
    ("native/two-devices.blkr", EVENTS_JSON, "native/two-devices.events.jsonl", 0),
    ("native/two-devices.blkr", CANONICAL, "native/two-devices.canonical.txt", 0),
    ("native/cut.blkr", &[], "native/cut.txt", 3),
    ("native/cut.blkr", EVENTS_JSON, "native/cut.events.jsonl", 3),
    ("native/sessions.blkr", &[], "native/sessions.txt", 0),
    ("native/sessions.blkr", &["--events"], "native/sessions.events.txt", 0),
    ("native/sessions.blkr", &["--json"], "native/sessions.jsonl", 0),
    ("native/sessions.blkr", EVENTS_JSON, "native/sessions.events.jsonl", 0),
    ("native/sessions.blkr", CANONICAL, "native/sessions.canonical.txt", 0),
    ("native/later.blkr", &[], "native/later.txt", 0),
    ("native/later.blkr", &["--json"], "native/later.jsonl", 0),
    ("native/later.blkr", EVENTS_JSON, "native/later.events.jsonl", 0),
    ("native/indexed.blkr", &["--json"], "native/sessions.jsonl", 0),
    ("native/indexed.blkr", EVENTS_JSON, "native/sessions.events.jsonl", 0),
    ("native/guest.blkr", &[], "native/guest.txt", 0),
    ("native/guest.blkr", &["--events"], "native/guest.events.txt", 0),
    ("native/guest.blkr", &["--json"], "native/guest.jsonl", 0),
    ("native/guest.blkr", EVENTS_JSON, "native/guest.events.jsonl", 0),
    ("native/guest.blkr", CANONICAL, "native/guest.canonical.txt", 0),
    ("native/guest-blocks.blkr", &["--events"], "native/guest-blocks.events.txt", 0),
    ("native/guest-blocks.blkr", EVENTS_JSON, "native/guest-blocks.events.jsonl", 0),
    ("native/extended.blkr", &["--events"], "native/extended.events.txt", 0),
    ("native/extended.blkr", EVENTS_JSON, "native/extended.events.jsonl", 0),
    ("native/extended.blkr", &["--json"], "native/extended.jsonl", 0),
    ("native/extended.blkr", CANONICAL, "native/extended.canonical.txt", 0),
    ("native/guest-columns.blkr", &["--events"], "native/guest.events.txt", 0),
    ("native/guest-columns.blkr", &["--json"], "native/guest.jsonl", 0),
    ("native/guest-columns.blkr", EVENTS_JSON, "native/guest.events.jsonl", 0),
];

fn blkreplay(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blkreplay"));
    command.args(arguments).current_dir(path("")).output().expect("blkreplay runs")
}

fn bless() -> bool {
    std::env::var_os("BLKREPLAY_BLESS").is_some()
}

/// All that a trace says: its header, its events, and the bytes of the payloads that they name.
fn contents(bytes: &[u8]) -> (String, Vec<Event>, Vec<Vec<u8>>) {
    let mut reader = Reader::open(Cursor::new(bytes)).expect("it is a trace");
    let (mut events, mut payloads) = (Vec::new(), Vec::new());
    while let Some((_, event)) = reader.next_event().expect("it can be read") {
        if let EventKind::Issue(issue) = &event.kind
            && let Payload::Stored(_, id) = issue.payload
        {
            payloads.push(reader.payload(id).expect("it is stored").to_vec());
        }
        events.push(event);
    }
    let loss = reader.loss().map(|loss| format!("{:?}", loss.kind));
    (format!("{:?} {loss:?}", reader.header()), events, payloads)
}

#[test]
fn what_the_writer_makes_today_says_what_the_kept_traces_say() {
    for (name, make) in native::TRACES {
        let path = path(name);
        if bless() && !path.exists() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, make()).unwrap();
        }
        assert_eq!(contents(&bytes(name)), contents(&make()), "{name}");
    }
}

#[track_caller]
fn check(trace: &str, options: &[&str], expected: &str, code: i32) {
    let output = blkreplay(&[&["print", trace], options].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = bytes(expected);
    assert_eq!(text, String::from_utf8_lossy(&expected), "{trace} {options:?}");
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_kept_traces_still_print_as_their_texts() {
    for (trace, options, expected, code) in EXPECTED {
        if bless() {
            let output = blkreplay(&[&["print", trace], options].concat());
            fs::write(path(expected), &output.stdout).expect("fixtures are writable");
        }
        check(trace, options, expected, code);
    }
}

#[test]
fn what_the_writer_makes_today_prints_as_the_same_texts() {
    let directory = tempfile::tempdir().unwrap();
    let made = directory.path().join("made.blkr");
    for (name, make) in native::TRACES {
        fs::write(&made, make()).unwrap();
        for (_, options, expected, code) in EXPECTED.iter().filter(|(trace, ..)| *trace == name) {
            check(made.to_str().unwrap(), options, expected, *code);
        }
    }
}

#[test]
fn print_stops_after_as_many_lines_as_were_asked_for() {
    for (options, lines) in [
        (&["-n", "3"][..], 4),
        (&["-n", "0", "--json"], 0),
        (&["-n", "5", "--json", "--events"], 5),
        (&["-n", "2", "--format", "canonical"], 3),
        (&["-n", "1000"], 11),
    ] {
        let output = blkreplay(&[&["print", "native/operations.blkr"], options].concat());
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), lines, "{options:?}\n{text}");
    }
}

#[test]
fn canonical_events_are_refused() {
    let arguments = ["print", "native/operations.blkr", "--events", "--format", "canonical"];
    let output = blkreplay(&arguments);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("hint"));
}

/// Runs a reading command on every file that the small trace gives when it is cut, at every byte of its
/// header and chunk headers, and at some between.
#[test]
fn a_cut_trace_is_told_as_far_as_it_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let cut = directory.path().join("cut.blkr");
    let whole = bytes("native/operations.blkr");
    let header_len = u32::from_le_bytes(whole[16..20].try_into().unwrap()) as usize;
    let mut lines_before = 0;
    for end in (0..whole.len()).step_by(13).chain([header_len - 1, header_len]) {
        fs::write(&cut, &whole[..end]).unwrap();
        for command in [&["print", "--json"][..], &["info"]] {
            check_cut(command, &cut, end < header_len);
        }
        if end > header_len {
            let output = blkreplay(&["print", "--json", cut.to_str().unwrap()]);
            let lines = String::from_utf8(output.stdout).unwrap().lines().count();
            assert!(lines >= lines_before || end == header_len, "{end}");
            lines_before = lines;
        }
    }
    assert_eq!(lines_before, 10, "only the end is missing");
}

#[track_caller]
fn check_cut(command: &[&str], cut: &Path, header_is_cut: bool) {
    let output = blkreplay(&[command, &[cut.to_str().expect("it is UTF-8")]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let (code, word) = if header_is_cut { (2, "error") } else { (3, "warning") };
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(word), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// How many events can be read, and whether that is said to be all.
fn heard(bytes: &[u8]) -> Option<(Vec<Event>, bool)> {
    let mut reader = Reader::open(Cursor::new(bytes)).ok()?;
    let mut events = Vec::new();
    while let Some((_, event)) = reader.next_event().ok()? {
        events.push(event);
    }
    Some((events, reader.loss().is_none()))
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_machines_trace_is_noticed() {
    for name in ["native/guest.blkr", "native/guest-columns.blkr"] {
        let whole = bytes(name);
        let (all, complete) = heard(&whole).unwrap();
        assert!(complete && all.len() == 78);
        let cut = (0..whole.len()).map(|end| whole[..end].to_vec());
        let flipped = (0..8 * whole.len()).map(|bit| {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for (place, damaged) in cut.chain(flipped).enumerate() {
            let Some((events, complete)) = heard(&damaged) else { continue };
            assert!(all.starts_with(&events), "{name}, damage {place}");
            assert!(!complete, "{name}: damage {place} was not noticed");
        }
    }
}

#[test]
fn info_tells_what_a_trace_is() {
    let output = blkreplay(&["info", "native/operations.blkr"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for part in
        ["complete", "10 requests", "2026-", "disk  16 MiB", "write: digests", "write_zeroes"]
    {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn info_tells_of_every_trace_and_ends_with_the_worst() {
    let arguments = ["info", "--json", "native/cut.blkr", "native/two-devices.blkr"];
    let output = blkreplay(&arguments);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8(output.stdout).unwrap();
    let told: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(told[0]["complete"], false);
    assert_eq!(told[0]["requests"], 10);
    assert_eq!(told[1]["complete"], true);
    assert_eq!(told[1]["devices"][1]["name"], "journal");
    assert_eq!(told[1]["operations"]["flush"]["completed"], 1);
    let output = blkreplay(&["info", "nowhere.blkr", "native/operations.blkr"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stdout).unwrap().contains("10 requests"));
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    use std::io::Read;
    use std::process::Stdio;
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("long.blkr");
    fs::write(&long, native::long(20_000)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_blkreplay"))
        .args(["print", long.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
