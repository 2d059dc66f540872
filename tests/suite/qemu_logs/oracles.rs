//! What the library says of each log against `.summary`, `.jsonl` and `RESULTS.txt`.

use std::collections::BTreeMap;
use std::io::Cursor;

use blkreplay_core::event::EventKind;
use blkreplay_core::qemu::{
    self, Choice, Encoder, Layout, LogEvent, LogKind, LogReader, Stop, Survey, Why,
};
use blkreplay_fixtures::bytes;
use serde_json::Value;

use super::{hurt, log};

/// Every log with what is said of it.
const LOGS: [(&str, &str); 15] = [
    ("qemu/logs/q52-boot_a.rr.zst", "qemu/logs/q52-boot_a.rr.summary"),
    ("qemu/logs/q72-boot_a.rr.zst", "qemu/logs/q72-boot_a.rr.summary"),
    ("qemu/logs/q72-boot_b.rr.zst", "qemu/logs/q72-boot_b.rr.summary"),
    ("qemu/logs/q100-boot_a.rr.zst", "qemu/logs/q100-boot_a.rr.summary"),
    ("qemu/logs/q100-boot_b.rr.zst", "qemu/logs/q100-boot_b.rr.summary"),
    ("qemu/logs/q111-boot_a.rr.zst", "qemu/logs/q111-boot_a.rr.summary"),
    ("qemu/logs/q52-linux_a.rr.zst", "qemu/logs/q52-linux_a.rr.summary"),
    ("qemu/logs/q100-linux_a.rr.zst", "qemu/logs/q100-linux_a.rr.summary"),
    ("qemu/logs/q111-rich.rr.zst", "qemu/logs/q111-rich.rr.summary"),
    ("qemu/logs/q100-fix-a1.rr.zst", "qemu/logs/q100-fix-a1.rr.summary"),
    ("qemu/logs/q100-fix-a2.rr.zst", "qemu/logs/q100-fix-a2.rr.summary"),
    ("qemu/logs/q100-fix-b1.rr.zst", "qemu/logs/q100-fix-b1.rr.summary"),
    ("qemu/logs/q100-flip-blockid.rr.zst", "qemu/logs/q100-flip-blockid.rr.summary"),
    ("qemu/logs/q100-flip-eventid.rr.zst", "qemu/logs/q100-flip-eventid.rr.summary"),
    ("qemu/logs/q100-trunc-half.rr.zst", "qemu/logs/q100-trunc-half.rr.summary"),
];

/// The log of a recorder that was killed, which has no version.
const KILLED: (&str, &str) = ("qemu/logs/q100-killed.rr.zst", "qemu/logs/q100-killed.rr.summary");

fn survey(log: &[u8]) -> Survey {
    qemu::survey(Cursor::new(log), None).unwrap()
}

/// All events of a log, and where it stops.
fn read(layout: &'static Layout, log: &[u8]) -> (Vec<LogEvent>, Option<Stop>) {
    let mut reader = LogReader::new(log, layout).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    (events, reader.stop_at().unwrap())
}

/// What a line that sums up a log says in `key value` pairs.
fn said<'a>(line: &'a str, key: &str) -> &'a str {
    let mut words = line.split_whitespace();
    words.find(|word| *word == key).unwrap();
    words.next().unwrap()
}

/// How a log ends, in the words of the summaries. They name the byte behind an event's number where one is cut.
fn status(stop: Option<Stop>) -> String {
    match stop.map(|stop| (stop.at, stop.why)) {
        None => "ok".to_owned(),
        Some((_, Why::NoEnd)) => "no END event".to_owned(),
        Some((at, Why::Cut { .. })) => format!("short read at {}", at + 1),
        Some((at, Why::Fault(qemu::Fault::Event(id)))) => format!("event id {id} at {at}"),
        Some((_, Why::Trailing { bytes })) => format!("{bytes} bytes after END"),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(survey: &Survey, line: &str) {
    let tally = &survey.tally;
    assert_eq!(survey.layout.label, said(line, "layout"), "{line}");
    assert_eq!(format!("{:#x}", survey.header.version), said(line, "version"), "{line}");
    assert_eq!(survey.header.reserved, 0, "{line}");
    assert_eq!(survey.file_bytes.to_string(), said(line, "bytes"), "{line}");
    assert_eq!(status(survey.stop), line.split_once(" status ").unwrap().1, "{line}");
    assert_eq!(tally.events.to_string(), said(line, "events"), "{line}");
    assert_eq!(tally.icount.to_string(), said(line, "icount"), "{line}");
    assert_eq!(tally.oddities, 0, "{line}");
}

#[track_caller]
fn check_summary(survey: &Survey, summary: &str) {
    let summary = String::from_utf8(bytes(summary)).unwrap();
    let mut lines = summary.lines();
    check(survey, lines.next().unwrap());
    let expected: BTreeMap<&str, u64> = lines
        .map(|line| line.trim().split_once(' ').unwrap())
        .map(|(count, name)| (name, count.parse().unwrap()))
        .collect();
    let counts: BTreeMap<&str, u64> =
        survey.tally.counts.iter().map(|(kind, count)| (kind.name(), *count)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn each_log_holds_what_is_said_of_it() {
    for (name, summary) in LOGS {
        let survey = survey(&log(name));
        check_summary(&survey, summary);
        let modern = survey.header.version == 0x00e0_200c;
        assert_eq!(survey.choice, if modern { Choice::Trial } else { Choice::Version }, "{name}");
        assert!(survey.others.is_empty(), "{name}: {:?}", survey.others);
    }
}

#[test]
fn a_log_without_a_version_is_read_in_the_layout_of_most_releases_that_fits() {
    let (name, summary) = KILLED;
    let survey = survey(&log(name));
    check_summary(&survey, summary);
    assert_eq!(survey.choice, Choice::Unversioned);
    let others: Vec<_> = survey.others.iter().map(|layout| layout.label).collect();
    assert_eq!(others, ["0d/v11", "0e/v11.1"], "they differ in sound and keys only");
}

#[test]
fn hurt_logs_stop_where_others_say_they_do() {
    let results = String::from_utf8(bytes("qemu/logs/RESULTS.txt")).unwrap();
    let mut seen = 0;
    for line in results.lines() {
        let Some((_, line)) = line.split_once("damaged/") else { continue };
        let (name, _) = line.split_once(".rr: ").unwrap();
        let log = match name {
            "q100-trunc-half" => log("qemu/logs/q100-trunc-half.rr.zst"),
            "q100-flip-blockid" => log("qemu/logs/q100-flip-blockid.rr.zst"),
            "q100-flip-eventid" => log("qemu/logs/q100-flip-eventid.rr.zst"),
            "q100-killed" => log(KILLED.0),
            case => hurt(case),
        };
        let survey = survey(&log);
        check(&survey, line);
        let (events, stop) = read(survey.layout, &log);
        assert_eq!((events.len() as u64, stop), (survey.tally.events, survey.stop), "{name}");
        seen += 1;
    }
    assert_eq!(seen, 10);
}

/// Logs with all their events, one JSON object a line.
const EVENTS: [(&str, &str); 4] = [
    ("qemu/logs/q52-boot_a.rr.zst", "qemu/logs/q52-boot_a.rr.jsonl.zst"),
    ("qemu/logs/q72-boot_b.rr.zst", "qemu/logs/q72-boot_b.rr.jsonl.zst"),
    ("qemu/logs/q111-boot_a.rr.zst", "qemu/logs/q111-boot_a.rr.jsonl.zst"),
    ("qemu/logs/q100-fix-a1.rr.zst", "qemu/logs/q100-fix-a1.rr.jsonl.zst"),
];

/// An event with the fields that the lines have. `eid` is its first byte.
fn told(event: &LogEvent, layout: &Layout, log: &[u8]) -> Value {
    let code = log[usize::try_from(event.at).unwrap()];
    let named = |kind: LogKind| kind.name().to_owned();
    let kinds = layout.events();
    let mut name = named(kinds[usize::from(code)]);
    let mut fields = serde_json::Map::new();
    let mut put = |key: &str, value: Value| fields.insert(key.to_owned(), value);
    put("n", (event.index + 1).into());
    put("at", event.at.into());
    put("eid", code.into());
    put("icount", event.icount.into());
    match &event.event.kind {
        EventKind::Instruction { count } => put("diff", (*count).into()),
        EventKind::BhOneshot { id } => {
            name = named(LogKind::BhOneshot);
            put("id", (*id).into())
        }
        EventKind::BlockId { id } => {
            name = named(LogKind::Block);
            put("id", id.0.into())
        }
        EventKind::Clock { value, .. } => put("value", (*value).into()),
        EventKind::CharWrite { result, offset } => {
            put("res", (*result).into());
            put("offset", (*offset).into())
        }
        _ => None,
    };
    if let Some(checkpoint) = event.checkpoint {
        put("checkpoint", (checkpoint as u64 - 1).into());
    }
    put("ev", name.into());
    Value::Object(fields)
}

#[test]
fn every_event_is_the_one_that_is_said() {
    for (name, lines) in EVENTS {
        let log = log(name);
        let layout = survey(&log).layout;
        let (events, _) = read(layout, &log);
        let lines = String::from_utf8(self::log(lines)).unwrap();
        assert_eq!(events.len(), lines.lines().count(), "{name}");
        for (event, line) in events.iter().zip(lines.lines()) {
            let said: Value = serde_json::from_str(line).unwrap();
            assert_eq!(told(event, layout, &log), said, "{name}");
        }
    }
}

#[test]
fn every_log_is_written_again_byte_for_byte() {
    for (name, _) in LOGS.into_iter().chain([KILLED]) {
        let log = log(name);
        let survey = survey(&log);
        let encoder = Encoder::new(survey.layout);
        let mut reader = LogReader::new(&log[..], survey.layout).unwrap();
        let version = survey.header.version;
        let mut again = if version == 0 { vec![0; 12] } else { encoder.header().to_vec() };
        while let Some(event) = reader.next_event().unwrap() {
            encoder.put(&event.event.kind, event.checkpoint, &mut again).unwrap();
        }
        let whole = survey.tally.bytes;
        assert!(again[..] == log[..usize::try_from(whole).unwrap()], "{name}");
    }
}

#[test]
fn a_layout_that_is_forced_is_taken_whatever_it_makes_of_the_log() {
    let log = log("qemu/logs/q100-boot_a.rr.zst");
    let forced = |label| {
        let layout = Layout::named(label).unwrap();
        let survey = qemu::survey(Cursor::new(&log), Some(layout)).unwrap();
        assert_eq!((survey.layout.label, survey.choice), (label, Choice::Forced));
        let (events, stop) = read(layout, &log);
        assert_eq!((events.len() as u64, stop), (survey.tally.events, survey.stop));
        survey
    };
    assert_eq!(forced("0c/v8.0").stop, None);
    assert_eq!(forced("0d/v11").stop, None);
    let wrong = forced("0a/v5.1");
    assert!(wrong.stop.unwrap().is_loss() && wrong.tally.bytes < 100, "{:?}", wrong.stop);
}

#[test]
fn requests_that_were_in_flight_together_are_counted() {
    for (name, completions, overtaken) in [
        ("qemu/logs/q100-boot_a.rr.zst", 73, 0),
        ("qemu/logs/q100-linux_a.rr.zst", 124, 40),
        ("qemu/logs/q52-linux_a.rr.zst", 124, 39),
    ] {
        let blocks = survey(&log(name)).tally.blocks;
        assert_eq!((blocks.completions, blocks.overtaken), (completions, overtaken), "{name}");
        assert_eq!((blocks.first.unwrap().id, blocks.highest), (0, completions - 1), "{name}");
    }
}
