//! What answers to block status make of reads of what was never written.

use super::*;
use crate::request::{Extent, Operation::BlockStatus};

const DATA: (bool, bool) = (false, false);
const HOLE: (bool, bool) = (true, true);

/// Block status of the first bytes of the device: extents of 4096 bytes.
fn told(s: &mut Script, id: u64, extents: &[(bool, bool)], result: Result<(), Errno>) {
    s.issue(id, BlockStatus, 0, 4096 * extents.len() as u64, 0).block(id, result, Payload::Absent);
    let (_, last) = s.events.last_mut().unwrap();
    let EventKind::Block(block) = &mut last.kind else { unreachable!() };
    let extent = |&(hole, zero): &(bool, bool)| Extent { length: 4096, hole, zero };
    block.extents = extents.iter().map(extent).collect();
}

/// Which of these reads, with data of this value, are found, if the extents are told before.
fn found(
    policy: PayloadPolicy,
    extents: &[(bool, bool)],
    reads: &[(u64, u64)],
    data: Payload,
) -> Vec<String> {
    let header = Header { payload: policy, ..header() };
    let trace = script(|s| {
        told(s, 0, extents, Ok(()));
        for (id, (offset, length)) in (1..).zip(reads) {
            s.issue(id, Read, *offset, *length, 0).block(id, Ok(()), data);
        }
    });
    trace.found_with(&header).iter().map(|one| one.detail.clone()).collect()
}

#[test]
fn zeroes_that_block_status_told_to_be_data_were_written_before() {
    let reads = [(0, 4096), (4096, 4096), (0, 8192), (8192, 4096)];
    let found = |extents: &[_]| found(PayloadPolicy::Hash, extents, &reads, Payload::Zeroes);
    assert_eq!(found(&[DATA, HOLE]), ["read 4096+4096", "read 0+8192", "read 8192+4096"]);
    assert_eq!(found(&[DATA, (false, true)]), ["read 4096+4096", "read 0+8192", "read 8192+4096"]);
    assert_eq!(found(&[DATA, DATA, DATA]), [""; 0]);
}

#[test]
fn without_digests_a_read_of_nothing_but_holes_is_found() {
    let reads = [(0, 4096), (2048, 4096), (6144, 4096), (8192, 512)];
    let found = |extents: &[_]| found(PayloadPolicy::None, extents, &reads, Payload::Absent);
    let hole = |range: &str| format!("read {range}, told to be a hole");
    assert_eq!(found(&[HOLE, HOLE, DATA]), [hole("0+4096"), hole("2048+4096")]);
    assert_eq!(found(&[(true, false), HOLE]), [""; 0], "a hole need not read as zeroes");
}

#[test]
fn a_failed_answer_and_what_was_written_since_tell_nothing() {
    let header = Header { payload: PayloadPolicy::None, ..header() };
    let trace = script(|s| {
        told(s, 0, &[HOLE, HOLE], EIO);
        s.issue(1, Read, 0, 4096, 0).done(1);
        told(s, 2, &[HOLE, HOLE], Ok(()));
        s.issue(3, W, 0, 4096, 0).done(3).issue(4, Read, 0, 4096, 0).done(4);
        s.issue(5, Read, 4096, 4096, 0).done(5);
    });
    let found = trace.found_with(&header);
    let ids: Vec<_> = found.iter().map(|one| (one.rule.name, one.request.unwrap().0)).collect();
    assert_eq!(ids, [("error-reply", 0), ("retry", 2), ("never-written", 5)]);
}

/// What is found of these events, and what is not known, where one range of data and one hole are kept apart.
fn found_in_little_room(policy: PayloadPolicy, trace: &Script) -> (usize, Vec<&'static str>) {
    let mut findings = Findings::new(&Header { payload: policy, ..header() }).unwrap();
    findings.holes = Holes::holding(1);
    trace.events.iter().for_each(|(index, event)| findings.push(*index, event));
    findings.finish();
    let found = findings.take().filter(|one| one.rule.name == "never-written").count();
    (found, findings.unknown().to_vec())
}

#[test]
fn where_there_are_too_many_extents_less_is_found_and_that_is_said() {
    let read = |s: &mut Script, data| s.issue(1, Read, 0, 4096, 0).block(1, Ok(()), data).end();
    let many = script(|s| {
        told(s, 0, &[DATA, HOLE, DATA, HOLE], Ok(()));
        read(s, Payload::Zeroes);
    });
    assert_eq!(found_in_little_room(PayloadPolicy::Hash, &many), (0, vec![WIDENED]));
    let few = script(|s| {
        told(s, 0, &[DATA], Ok(()));
        read(s, Payload::Zeroes);
    });
    assert_eq!(found_in_little_room(PayloadPolicy::Hash, &few), (0, vec![]));
    let holes = script(|s| {
        told(s, 0, &[HOLE, DATA, HOLE], Ok(()));
        read(s, Payload::Absent);
    });
    let told = vec![NO_PAYLOADS, WIDENED];
    assert_eq!(found_in_little_room(PayloadPolicy::None, &holes), (0, told));
}

#[test]
fn where_too_many_ranges_are_written_less_is_found_and_that_is_said() {
    let trace = script(|s| {
        s.all(0, W, 0, 512, 1).all(1, W, 1024, 512, 1).all(2, Read, 512, 512, 0);
    });
    let found = |ranges| {
        let mut findings = Findings::new(&header()).unwrap();
        findings.joiner = Joiner::new().knowing_ranges(ranges);
        trace.events.iter().for_each(|(index, event)| findings.push(*index, event));
        findings.finish();
        let zeroes = findings.take().filter(|one| one.rule.name == "never-written").count();
        (zeroes, findings.unknown().to_vec())
    };
    assert_eq!(found(2), (1, vec![]));
    assert_eq!(found(1), (0, vec![WIDENED]));
}
