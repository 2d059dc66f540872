//! What is missing of a trace, and what is not said because of it; bounds that are reached.

use super::*;
use crate::format::{HeaderWorth, RecoveredHeader};
use crate::limits::{FINDINGS_ERRORS_MAX, FINDINGS_OPEN_MAX, FINDINGS_SLOW_MAX};

/// So many events are missing here.
fn lose(script: &mut Script, events: u64) -> &mut Script {
    script.next += events;
    script
}

fn issue_of_read(id: u64) -> EventKind {
    let range = ByteRange::new(0, 512);
    EventKind::Issue(Issue {
        id: RequestId(id),
        device: DeviceId(0),
        connection: ConnectionId(0),
        cookie: 0,
        request: Request { operation: Read, range, flags: Flags::NONE },
        payload: Payload::Absent,
        early: Nanos(0),
    })
}

/// The completion of a read that took so many nanoseconds.
fn read(id: u64, latency: u64) -> EventKind {
    EventKind::Block(Block {
        id: RequestId(id),
        device: DeviceId(0),
        operation: Read,
        result: Ok(()),
        latency: Nanos(latency),
        hold: Nanos(0),
        flags: CompletionFlags::default(),
        payload: data(1),
        extents: Vec::new(),
    })
}

fn rules(found: &[Finding]) -> Vec<&'static str> {
    found.iter().map(|finding| finding.rule.name).collect()
}

#[test]
fn events_that_are_missing_are_counted_and_told_once() {
    let found = script(|s| lose(s.all(0, W, 0, 512, 1), 7).all(9, W, 512, 512, 1).end()).found();
    assert_eq!(rules(&found), ["events-lost"]);
    assert_eq!(found[0].to_string(), format!("7 before event 9: {}", found[0].rule.sentence));
    assert_eq!(found[0].event, 9);
}

#[test]
fn behind_a_loss_nothing_is_said_that_what_is_lost_could_explain() {
    let trace = script(|s| {
        s.all(0, W, 0, 512, 1).all(1, Flush, 0, 0, 0);
        // One whose completion is lost, and writes of a range in the same epoch.
        s.issue(2, W, 4096, 512, 1).all(3, W, 8192, 512, 1).all(4, W, 8192, 512, 1);
        lose(s, 20).after(500 * MS);
        // The issue of the first is lost, and it may have written what is read.
        s.done(17).all(20, Flush, 0, 0, 0).done(18).all(21, Flush, 0, 0, 0);
        s.all(22, Read, 0, 512, 2).all(23, Read, 65536, 512, 0).all(24, W, 8192, 512, 1);
    });
    let (found, findings) = trace.looked_at(&header(), true);
    assert_eq!(rules(&found), ["events-lost"]);
    assert_eq!(findings.unknown(), [LOST]);
}

#[test]
fn on_both_sides_of_a_loss_what_is_whole_is_found() {
    let side = |s: &mut Script, id: u64| {
        s.issue(id, W, 0, 512, 1).block(id, EIO, Payload::Absent).after(MS);
        s.all(id + 1, W, 0, 512, 1).all(id + 2, W, 512, 100, 1);
        s.issue(id + 3, W, 1024, 1024, 1).issue(id + 4, Read, 1536, 512, 0).done(id + 3);
        s.done(id + 4);
        (5..8).for_each(|more| s.all(id + more, W, 4096, 512, 1).end());
    };
    let trace = script(|s| {
        side(s, 0);
        lose(s, 3).after(2000 * MS);
        side(s, 20);
        s.issue(40, Read, 0, 512, 0);
    });
    let found = trace.found();
    let of_a_side = ["error-reply", "retry", "unaligned", "overlap", "rewritten"];
    let sorted = |from: u64, to: u64| {
        let side =
            found.iter().filter(|one| one.request.is_some_and(|id| (from..to).contains(&id.0)));
        let mut names: Vec<_> = side.map(|one| one.rule.name).collect();
        names.sort_unstable_by_key(|name| of_a_side.iter().position(|one| one == name));
        names
    };
    assert_eq!(sorted(0, 20), of_a_side);
    assert_eq!(sorted(20, 40), of_a_side);
    assert_eq!(
        sorted(40, 41),
        ["never-completed"],
        "issued behind it, so its completion would be, too"
    );
    assert_eq!(rules(&found).iter().filter(|name| **name == "events-lost").count(), 1);
    let rewritten: Vec<_> = found.iter().filter(|one| one.rule.name == "rewritten").collect();
    assert!(rewritten[0].detail.ends_with(", epoch 0"), "{}", rewritten[0]);
    assert_eq!(rewritten[1].detail, "write 4096+512", "which epoch it is is not known any more");
}

#[test]
fn an_event_of_a_kind_that_is_not_known_is_not_missing() {
    let mut findings = Findings::new(&header()).unwrap();
    let end = Event { time: Nanos(5), kind: EventKind::End { status: None } };
    findings.pass_over(0);
    findings.push(1, &end);
    findings.finish();
    assert_eq!(rules(&findings.take().collect::<Vec<_>>()), [""; 0]);
    let mut findings = Findings::new(&header()).unwrap();
    findings.push(0, &end);
    findings.pass_over(3);
    findings.finish();
    assert_eq!(rules(&findings.take().collect::<Vec<_>>()), ["events-lost", "cut"]);
}

#[test]
fn a_recovered_trace_ends_and_its_recording_may_not_have() {
    let recovered = |header: HeaderWorth| Header {
        recovered: Some(RecoveredHeader { tool: "test".to_owned(), header, bytes: 5 }),
        ..super::header()
    };
    let trace = script(|s| {
        s.all(0, W, 512, 100, 1).all(1, Read, SIZE, 512, 1).issue(2, W, 0, 512, 1);
    });
    let (found, findings) = trace.looked_at(&recovered(HeaderWorth::Whole), true);
    assert_eq!(rules(&found), ["unaligned", "beyond-end", "open-at-cut"]);
    assert_eq!(findings.unknown(), [""; 0]);
    for worth in [HeaderWorth::Unverified, HeaderWorth::Rebuilt] {
        let (found, findings) = trace.looked_at(&recovered(worth), true);
        assert_eq!(rules(&found), ["open-at-cut"]);
        assert_eq!(findings.unknown(), [NO_DEVICES]);
    }
}

#[test]
fn more_in_flight_than_can_be_kept_in_mind_is_said_and_makes_nothing_up() {
    let many = FINDINGS_OPEN_MAX as u64;
    let trace = script(|s| {
        s.all(0, Flush, 0, 0, 0);
        (1..=many).for_each(|id| s.issue(id, Read, 0, 512, 0).end());
        s.issue(many + 1, W, 0, 512, 1).done(many + 1).all(many + 2, Flush, 0, 0, 0);
        (1..=many).for_each(|id| s.event(read(id, 0)));
    });
    let (found, findings) = trace.looked_at(&header(), true);
    assert_eq!(rules(&found), ["overlap"]);
    assert_eq!(findings.unknown(), [CROWDED]);
}

#[test]
fn of_many_slow_requests_the_slowest_are_told_and_that_there_are_more() {
    let told = |slow: u64| {
        let trace = script(|s| {
            // So many are usual that the others are less than one of a hundred.
            for id in 0..110 * slow {
                let span = if id % 110 == 50 { 1_000_000 + id } else { 10_000 };
                s.event(issue_of_read(id));
                s.after(span).event(read(id, span));
            }
        });
        let (found, findings) = trace.looked_at(&header(), true);
        assert!(found.iter().all(|one| one.rule.name == "slow"));
        assert!(found.is_sorted_by_key(|one| one.event), "in the order of the trace");
        (found.len(), findings.unknown().to_vec(), found[0].request.map(|id| id.0))
    };
    let most = FINDINGS_SLOW_MAX as u64;
    assert_eq!(told(20), (20, vec![], Some(50)));
    assert_eq!(told(most), (FINDINGS_SLOW_MAX, vec![], Some(50)));
    assert_eq!(told(most + 1), (FINDINGS_SLOW_MAX, vec![MORE_SLOW], Some(160)));
}

#[test]
fn of_many_failures_the_last_are_kept_in_mind_and_that_there_were_more_is_said() {
    let told = |failures: u64, span: u64| {
        let trace = script(|s| {
            for id in 0..failures {
                s.issue(id, Read, 512 * id, 512, 0).block(id, EIO, Payload::Absent).after(span);
            }
            s.all(failures, Read, 0, 512, 1);
        });
        let (found, findings) = trace.looked_at(&header(), true);
        let retries = found.iter().filter(|one| one.rule.name == "retry").count();
        (retries, findings.unknown().to_vec())
    };
    let most = FINDINGS_ERRORS_MAX as u64;
    assert_eq!(told(most, 0), (1, vec![]));
    assert_eq!(told(most + 1, 0), (0, vec![MORE_FAILED]));
    assert_eq!(told(most + 1, 10 * MS), (0, vec![]), "the first could not be asked again in time");
}
