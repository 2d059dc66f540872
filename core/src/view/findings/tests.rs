//! For each rule a trace that has exactly that finding, and one that nearly has it.

use super::*;
use crate::event::{Block, CompletionFlags, Issue, Payload};
use crate::format::{DeviceHeader, Fingerprint, FingerprintMethod, LimitsHeader};
use crate::request::{ConnectionId, DeviceId, Errno, Flags, Operation, RequestId};
use crate::units::ByteRange;

mod flushes;
mod holes;
mod losses;
mod oracles;
mod parts;

const SIZE: u64 = 1 << 20;
const MS: u64 = 1_000_000;
const EIO: Result<(), Errno> = Err(Errno::EIO);

fn header() -> Header {
    let device = |name: &str| DeviceHeader {
        name: name.to_owned(),
        image: format!("{name}.img"),
        format: "raw".to_owned(),
        size: SIZE,
        block_min: 1,
        block_preferred: 512,
        read_only: false,
        discard: true,
        fingerprint: Fingerprint { method: FingerprintMethod::None, digest: None },
    };
    Header {
        tool: "test".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::Hash,
        devices: vec![device("one"), device("two")],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 1 << 20, connection_requests: 16 },
        recovered: None,
        replay: None,
        edits: crate::format::Edits::default(),
    }
}

/// A trace that is being written down.
#[derive(Debug, Clone, Default)]
struct Script {
    time: u64,
    events: Vec<(u64, Event)>,
    next: u64,
}

/// Data that are all of one value.
fn data(value: u8) -> Payload {
    Payload::of(&[value; 8])
}

impl Script {
    fn event(&mut self, kind: EventKind) {
        let index = self.next;
        self.events.push((index, Event { time: Nanos(self.time), kind }));
        self.next += 1;
    }

    /// Ends a chain of calls.
    #[expect(clippy::unused_self, reason = "so that it ends a chain")]
    fn end(&mut self) {}

    fn after(&mut self, span: u64) -> &mut Script {
        self.time += span;
        self
    }

    fn issue_on(
        &mut self,
        device: u16,
        id: u64,
        request: Request,
        payload: Payload,
    ) -> &mut Script {
        self.event(EventKind::Issue(Issue {
            id: RequestId(id),
            device: DeviceId(device),
            connection: ConnectionId(0),
            cookie: 0,
            request,
            payload,
            early: Nanos(0),
        }));
        self
    }

    fn issue(
        &mut self,
        id: u64,
        op: Operation,
        offset: u64,
        length: u64,
        value: u8,
    ) -> &mut Script {
        let request =
            Request { operation: op, range: ByteRange::new(offset, length), flags: Flags::NONE };
        let payload = if op == Operation::Write { data(value) } else { Payload::Absent };
        self.issue_on(0, id, request, payload)
    }

    fn block(&mut self, id: u64, result: Result<(), Errno>, payload: Payload) -> &mut Script {
        let issued = self.events.iter().rev().find_map(|(_, event)| match &event.kind {
            EventKind::Issue(issue) if issue.id.0 == id => Some((issue.clone(), event.time)),
            _ => None,
        });
        let (device, operation, since) = issued
            .map_or((DeviceId(0), Operation::Read, Nanos(self.time)), |(issue, time)| {
                (issue.device, issue.request.operation, time)
            });
        self.event(EventKind::Block(Block {
            id: RequestId(id),
            device,
            operation,
            result,
            latency: Nanos(self.time - since.0),
            hold: Nanos(0),
            flags: CompletionFlags::default(),
            payload,
            extents: Vec::new(),
        }));
        self
    }

    fn done(&mut self, id: u64) -> &mut Script {
        self.block(id, Ok(()), Payload::Absent)
    }

    /// A request and its completion.
    fn all(&mut self, id: u64, op: Operation, offset: u64, length: u64, value: u8) -> &mut Script {
        self.issue(id, op, offset, length, value);
        let payload = if op == Operation::Read { data(value) } else { Payload::Absent };
        self.block(id, Ok(()), payload)
    }

    /// What is found in a recording of which these are the events, as far as they go.
    fn looked_at(&self, header: &Header, ends: bool) -> (Vec<Finding>, Findings) {
        let mut findings = Findings::new(header).unwrap();
        self.events.iter().for_each(|(index, event)| findings.push(*index, event));
        if ends {
            let end = EventKind::End { status: None };
            findings.push(self.next, &Event { time: Nanos(self.time), kind: end });
        }
        findings.finish();
        (findings.take().collect(), findings)
    }

    fn found_with(&self, header: &Header) -> Vec<Finding> {
        self.looked_at(header, true).0
    }

    fn found(&self) -> Vec<Finding> {
        self.found_with(&header())
    }

    fn names(&self) -> Vec<&'static str> {
        self.found().iter().map(|finding| finding.rule.name).collect()
    }
}

use Operation::{Discard, Flush, Read, Write as W, WriteZeroes};

fn script(write: impl FnOnce(&mut Script)) -> Script {
    let mut script = Script::default();
    write(&mut script);
    script
}

/// The rule's trace has that finding and no other, and the one that is nearly it has none.
#[track_caller]
fn exactly(name: &str, is: impl FnOnce(&mut Script), nearly: impl FnOnce(&mut Script)) -> Finding {
    let found = script(is).found();
    let names: Vec<_> = found.iter().map(|finding| finding.rule.name).collect();
    assert_eq!(names, [name]);
    assert_eq!(script(nearly).names(), [""; 0], "nearly {name}");
    found.into_iter().next().unwrap()
}

#[test]
fn requests_that_are_never_completed_are_found() {
    let found = exactly(
        "never-completed",
        |s| {
            s.issue(0, Read, 0, 512, 0).issue(1, Read, 512, 512, 0).done(0);
        },
        |s| {
            s.issue(0, Read, 0, 512, 0).issue(1, Read, 512, 512, 0).done(1).done(0);
        },
    );
    assert_eq!((found.request, found.event), (Some(RequestId(1)), 1));
    assert_eq!(found.range, Some(ByteRange::new(512, 512)));
    assert_eq!(
        found.to_string(),
        "read 512+512: it was never completed, and the recording ended in order"
    );
    let cut = script(|s| {
        s.issue(0, Read, 0, 512, 0);
    });
    let names: Vec<_> = cut.looked_at(&header(), false).0.iter().map(|one| one.rule.name).collect();
    assert_eq!(names, ["open-at-cut", "cut"]);
}

#[test]
fn completions_without_an_issue_and_ids_twice_in_flight_are_found() {
    exactly("not-issued", |s| s.done(4).end(), |s| s.issue(4, Read, 0, 1, 0).done(4).end());
    let twice = script(|s| {
        s.issue(4, Read, 0, 1, 0).issue(4, Read, 0, 1, 0).done(4);
    });
    assert_eq!(twice.names(), ["id-in-flight"]);
    let again = script(|s| {
        s.all(4, Read, 0, 1, 1).all(4, Read, 0, 1, 1);
    });
    assert_eq!(again.names(), [""; 0]);
}

#[test]
fn failures_and_those_who_ask_again_are_found() {
    let failed = |s: &mut Script, span: u64, offset: u64| {
        s.issue(0, W, 0, 512, 1).block(0, EIO, Payload::Absent);
        s.after(span).all(1, W, offset, 512, 1);
    };
    let names = |span, offset| script(|s| failed(s, span, offset)).names();
    assert_eq!(names(MS, 0), ["error-reply", "retry"]);
    assert_eq!(names(1001 * MS, 0), ["error-reply"], "too late");
    assert_eq!(names(MS, 512), ["error-reply"], "another range");
    let other = script(|s| {
        s.issue(0, W, 0, 512, 1).block(0, EIO, Payload::Absent).after(MS).all(1, W, 0, 512, 2);
    });
    assert_eq!(other.names(), ["error-reply"], "other data");
    let found = script(|s| failed(s, MS, 0)).found();
    assert_eq!(found[0].to_string(), "write 0+512 got EIO: it failed");
    assert!(found[1].to_string().starts_with("write 0+512 again 1.00ms after #0 got EIO: "));
    assert_eq!(found[1].other, Some(RequestId(0)));
}

#[test]
fn requests_that_overlap_in_flight_are_found() {
    let found = exactly(
        "overlap",
        |s| {
            s.issue(0, W, 0, 1024, 1).issue(1, Read, 512, 1024, 0).done(0).done(1);
        },
        |s| {
            s.all(0, W, 0, 1024, 1).issue(1, Read, 512, 1024, 0).done(1);
        },
    );
    assert!(found.to_string().starts_with("read 512+1024 while #0 write 0+1024: "), "{found}");
    let apart = script(|s| {
        s.issue(0, W, 0, 512, 1).issue(1, Read, 512, 512, 0).issue(2, Read, 512, 512, 0);
        s.issue(3, Flush, 0, 0, 0).done(3).done(0).done(1).done(2);
    });
    assert_eq!(apart.names(), [""; 0]);
    let devices = script(|s| {
        let request = Request { operation: W, range: ByteRange::new(0, 512), flags: Flags::NONE };
        s.issue_on(0, 0, request, data(1)).issue_on(1, 1, request, data(1)).done(0).done(1);
    });
    assert_eq!(devices.names(), [""; 0], "of two devices");
}

#[test]
fn reads_of_what_was_never_written_are_found_where_they_are_zeroes() {
    exactly(
        "never-written",
        |s| {
            s.all(0, Read, 4096, 512, 0);
        },
        |s| {
            s.all(0, Read, 4096, 512, 7).all(1, WriteZeroes, 0, 512, 0).all(2, Read, 0, 512, 0);
        },
    );
}

#[test]
fn what_is_written_again_and_again_is_found_once() {
    let found = exactly(
        "rewritten",
        |s| {
            (0..5).for_each(|id| s.all(id, W, 512, 512, 1).end());
        },
        |s| {
            s.all(0, W, 0, 512, 1).all(1, W, 0, 512, 1).all(2, Flush, 0, 0, 0);
            s.all(3, W, 0, 512, 1).all(4, W, 0, 512, 1).all(5, W, 0, 1024, 1);
        },
    );
    assert_eq!(found.request, Some(RequestId(2)));
}

#[test]
fn writes_beside_blocks_and_beyond_the_end_are_found() {
    let found = exactly(
        "unaligned",
        |s| s.all(0, W, 512, 100, 1).end(),
        |s| s.all(0, W, 512, 512, 1).all(1, Discard, 5, 5, 1).all(2, Read, 3, 3, 1).end(),
    );
    assert!(found.to_string().starts_with("write 512+100: "), "{found}");
    exactly(
        "beyond-end",
        |s| s.all(0, W, SIZE - 512, 1024, 1).end(),
        |s| s.all(0, W, SIZE - 512, 512, 1).end(),
    );
}

#[test]
fn reads_of_something_else_than_was_written_are_found() {
    let found = exactly(
        "read-differs",
        |s| s.all(0, W, 0, 512, 1).all(1, Read, 0, 512, 2).end(),
        |s| s.all(0, W, 0, 512, 1).all(1, Read, 0, 512, 1).all(2, Read, 0, 1024, 5).end(),
    );
    assert_eq!((found.request, found.other), (Some(RequestId(1)), Some(RequestId(0))));
    let zeroes = script(|s| s.all(0, Discard, 0, 512, 0).all(1, Read, 0, 512, 2).end());
    assert_eq!(zeroes.names(), ["read-differs"]);
    let parts = |value: u8| {
        script(|s| {
            s.all(0, Discard, 0, 2048, 0).all(1, W, 512, 512, 7).all(2, WriteZeroes, 2048, 512, 0);
            s.all(3, Read, 1024, 1536, value).all(4, Read, 0, 100, 0).all(5, Read, 0, 1024, 9);
        })
    };
    assert_eq!(parts(0).names(), [""; 0]);
    let found = parts(2).found();
    assert_eq!(
        (found.len(), found[0].request, found[0].other),
        (1, Some(RequestId(3)), Some(RequestId(0)))
    );
    let unknown = script(|s| {
        s.all(0, W, 0, 512, 1).issue(1, W, 0, 512, 3).block(1, EIO, Payload::Absent);
        s.all(2, Read, 0, 512, 2).all(3, W, 512, 512, 1).all(4, W, 768, 100, 1);
        s.all(5, Read, 512, 512, 9);
    });
    assert_eq!(
        unknown.names(),
        ["error-reply", "unaligned"],
        "a failed write, and a part written since"
    );
}

#[test]
fn requests_that_take_long_and_queues_that_stand_are_found() {
    let many = |s: &mut Script, count: u64, last: u64| {
        for id in 0..count {
            s.issue(id, Read, 0, 512, 1).after(20_000).block(id, Ok(()), data(1));
        }
        s.issue(count, Read, 0, 512, 1).after(last).block(count, Ok(()), data(1));
    };
    let found = exactly("slow", |s| many(s, 200, 250_000), |s| many(s, 200, 200_000));
    assert!(found.to_string().starts_with("read 0+512 took 250µs: "), "{found}");
    assert_eq!(script(|s| many(s, 50, 250_000)).names(), [""; 0], "too few to compare with");
    let stall =
        |span| script(|s| s.issue(0, Read, 0, 512, 1).after(span).block(0, Ok(()), data(1)).end());
    assert_eq!(stall(101 * MS).names(), ["stall"]);
    assert_eq!(stall(100 * MS).names(), [""; 0]);
    let idle = script(|s| s.all(0, Read, 0, 1, 1).after(900 * MS).all(1, Read, 0, 1, 1).end());
    assert_eq!(idle.names(), [""; 0], "nothing is in flight");
}

#[test]
fn clocks_that_go_back_and_events_that_are_missing_are_found() {
    let clock = |clock, value| EventKind::Clock { clock, value };
    exactly(
        "clock-backwards",
        |s| {
            s.event(clock(ClockKind::Host, 5));
            s.event(clock(ClockKind::Host, 4));
        },
        |s| {
            s.event(clock(ClockKind::Host, 5));
            s.event(clock(ClockKind::VirtualRt, 4));
            s.event(clock(ClockKind::Host, 5));
        },
    );
    let lost = script(|s| {
        s.issue(0, W, 0, 512, 1).issue(1, W, 0, 512, 1).done(0);
        s.next += 7;
        s.all(9, Read, 0, 512, 0).done(1).done(3);
    });
    let found = lost.found();
    assert_eq!(
        found.iter().map(|one| one.rule.name).collect::<Vec<_>>(),
        ["overlap", "events-lost"],
    );
    assert!(found[1].to_string().starts_with("7 before event 10: "), "{}", found[1]);
}

#[test]
fn a_trace_without_payloads_says_what_cannot_be_known() {
    let header = Header { payload: PayloadPolicy::None, ..header() };
    assert!(Findings::new(&header).unwrap().unknown()[0].contains("f8 cannot be known"));
}
