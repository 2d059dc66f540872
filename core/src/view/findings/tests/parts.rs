//! What is not looked for in a part of a trace, and what is nearly a fault and is none.

use super::*;
use crate::format::SlicedHeader;

fn cut(filter: Option<&str>, devices: Option<Vec<String>>) -> Header {
    let cut = SlicedHeader {
        tool: "test".to_owned(),
        of: String::new(),
        from: None,
        to: None,
        filter: filter.map(str::to_owned),
        devices,
        requests: 1,
        of_requests: 2,
    };
    let mut header = header();
    header.edits.sliced.push(cut);
    header
}

#[test]
fn of_a_part_nothing_is_said_that_takes_all_of_the_trace_to_know() {
    let trace = script(|s| {
        s.all(0, W, 0, 512, 1)
            .all(1, Flush, 0, 0, 0)
            .all(3, Flush, 0, 0, 0)
            .all(4, Read, 0, 512, 2);
        s.issue(5, Read, 0, 512, 0).block(5, EIO, Payload::Absent);
    });
    let names = |header: &Header| {
        let found = trace.found_with(header);
        found.iter().map(|finding| finding.rule.name).collect::<Vec<_>>()
    };
    let all = ["redundant-flush", "read-differs", "error-reply"];
    assert!(all.iter().all(|name| names(&header()).contains(name)), "{:?}", names(&header()));
    assert_eq!(names(&cut(Some("read"), None)), ["error-reply"]);
    assert_eq!(names(&cut(None, Some(vec!["one".to_owned()]))), names(&header()));
    let findings = Findings::new(&cut(Some("read"), None)).unwrap();
    assert!(findings.unknown()[0].contains("a part of another trace"));
}

#[test]
fn the_last_bytes_of_a_device_need_not_be_a_block() {
    let mut header = header();
    header.devices[0].size = SIZE + 100;
    header.devices[0].block_preferred = 512;
    let last = script(|s| {
        s.all(0, W, SIZE, 100, 1);
    });
    assert!(last.found_with(&header).is_empty());
    let before = script(|s| {
        s.all(0, W, SIZE - 512, 100, 1);
    });
    assert_eq!(before.found_with(&header)[0].rule.name, "unaligned");
}

#[test]
fn zeroes_that_cannot_be_fast_are_no_error() {
    let range = ByteRange::new(0, 512);
    let fast = Request { operation: WriteZeroes, range, flags: Flags::FAST_ZERO };
    let refused = Err(Errno::ENOTSUP);
    let ordinary = script(|s| {
        s.issue_on(0, 0, fast, Payload::Absent).block(0, refused, Payload::Absent);
    });
    assert_eq!(ordinary.names(), [""; 0]);
    let other = script(|s| {
        s.issue(0, WriteZeroes, 0, 512, 0).block(0, refused, Payload::Absent);
    });
    assert_eq!(other.names(), ["error-reply"]);
}

#[test]
fn a_read_beyond_the_end_is_found() {
    let read = script(|s| {
        s.issue(0, Read, SIZE, 512, 0).block(0, Err(Errno::EINVAL), Payload::Absent);
    });
    assert!(read.names().contains(&"beyond-end"), "{:?}", read.names());
}

#[test]
fn who_writes_what_nobody_knows_has_not_asked_again() {
    let asked = |operation| {
        let range = ByteRange::new(0, 512);
        let request = Request { operation, range, flags: Flags::NONE };
        let trace = script(|s| {
            s.issue_on(0, 0, request, Payload::Absent).block(0, EIO, Payload::Absent);
            s.issue_on(0, 1, request, Payload::Absent).done(1);
        });
        let header = Header { payload: PayloadPolicy::None, ..header() };
        let names: Vec<_> = trace.found_with(&header).iter().map(|one| one.rule.name).collect();
        names
    };
    assert_eq!(asked(W), ["error-reply"]);
    assert_eq!(asked(Read), ["error-reply", "retry"]);
    assert_eq!(asked(WriteZeroes), ["error-reply", "retry"]);
    let mut part = cut(Some("write"), None);
    part.payload = PayloadPolicy::None;
    assert_eq!(Findings::new(&part).unwrap().unknown(), [PART, NO_RETRIES]);
}
