//! Slices of random traces.

use std::collections::BTreeSet;

use super::*;
use crate::edit::{Chooser, Cut, EditError, plan_slice, slice};
use crate::format::SlicedHeader;
use crate::position::Position;

fn said() -> SlicedHeader {
    SlicedHeader {
        tool: "t".to_owned(),
        of: "u".to_owned(),
        from: None,
        to: None,
        filter: None,
        devices: None,
        requests: 0,
        of_requests: 0,
    }
}

/// Cuts `trace`; `takes` is asked of each request, if it is there.
pub(in crate::edit) fn cut(
    trace: &[u8],
    cut: &Cut,
    takes: Option<&dyn Fn(&Row) -> bool>,
) -> Result<Vec<u8>, EditError> {
    let all = |_: &Row| true;
    let takes_it = takes.unwrap_or(&all);
    let mut once = |row: &Row| takes_it(row);
    let mut chooser = takes.map(|_| Chooser::new(Rows::new(opened(trace)), &mut once));
    let planned = plan_slice(&mut opened(trace), cut, chooser.as_mut(), &mut go_on())?;
    let mut reader = opened(trace);
    let header = planned.header(reader.header(), said());
    let mut again = |row: &Row| takes_it(row);
    let mut chooser = takes.map(|_| Chooser::new(Rows::new(opened(trace)), &mut again));
    let writer = Writer::create(Vec::new(), &header, 9, 2).unwrap();
    let (out, written) = slice(&mut reader, writer, &planned, chooser.as_mut(), &mut go_on())?;
    assert_eq!(planned.requests(), written.operations.total().issues);
    Ok(out)
}

fn between(from: Option<&str>, to: Option<&str>) -> Cut {
    let position = |text: Option<&str>| text.map(|text| text.parse::<Position>().unwrap());
    Cut { from: position(from), to: position(to), devices: None }
}

/// The requests of a cut by indices of events, as one would say it slowly: by their issues, with all that is known of them
/// but what is counted from the beginning.
fn wanted(trace: &[u8], from: u64, to: u64, takes: &dyn Fn(&Row) -> bool) -> Vec<Row> {
    rows(trace)
        .into_iter()
        .filter(|row| (from..to).contains(&row.event) && takes(row))
        .map(timeless)
        .collect()
}

fn timeless(mut row: Row) -> Row {
    (row.event, row.epoch) = (0, 0);
    row.context = Context::default();
    if let Payload::Stored(digest, _) = row.payload {
        row.payload = Payload::Digest(digest);
    }
    row
}

fn found(trace: &[u8]) -> Vec<Row> {
    rows(trace).into_iter().map(timeless).collect()
}

/// Blocks lie directly behind a checkpoint, and none is twice there.
fn assert_steps(trace: &[u8]) {
    let mut released = false;
    for (event, _) in events(trace) {
        match event.kind {
            EventKind::Checkpoint(_) => released = true,
            EventKind::Block(block) => assert!(released, "{} has no checkpoint", block.id),
            EventKind::Issue(_) => released = false,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn a_cut_by_position_has_the_requests_that_were_issued_in_it_and_all_their_data(
        acts in any_acts(), from in 0..60_u64, length in 0..40_u64,
    ) {
        let trace = written(&header(), entries(&acts));
        let last = events(&trace).len() as u64 - 1;
        let (from, to) = (from.min(last), (from + length).min(last));
        let (first, behind) = (format!("event:{from}"), format!("event:{to}"));
        let part = cut(&trace, &between(Some(&first), Some(&behind)), None).unwrap();
        assert_sound(&part);
        assert_steps(&part);
        prop_assert_eq!(found(&part), wanted(&trace, from, to, &|_| true));
        // Every event of the part is one of the whole, with its time or a later one, and its data.
        let whole = events(&trace);
        let (_, inside) = events(&part).split_last().map(|(end, rest)| (end.clone(), rest.to_vec())).unwrap();
        for (event, data) in inside {
            let there = whole.iter().any(|(one, bytes)| {
                one.kind == event.kind && *bytes == data && one.time <= event.time
            });
            prop_assert!(there, "{event:?}");
        }
        // Marks are those within.
        let marks = |events: &[(Event, Option<Bytes>)]| {
            events.iter().filter(|(event, _)| matches!(event.kind, EventKind::Mark { .. })).count()
        };
        let range = usize::try_from(from).unwrap()..usize::try_from(to).unwrap();
        prop_assert_eq!(marks(&events(&part)), marks(&whole[range]));
    }

    #[test]
    fn a_cut_by_filter_has_the_requests_that_it_takes(acts in any_acts(), from in 0..60_u64) {
        let trace = written(&header(), entries(&acts));
        let from = from.min(events(&trace).len() as u64 - 1);
        // Known only when a request ends.
        let slow = |row: &Row| row.completion.as_ref().is_some_and(|it| it.latency.0 > 50);
        let part = cut(&trace, &between(Some(&format!("event:{from}")), None), Some(&slow)).unwrap();
        assert_sound(&part);
        assert_steps(&part);
        prop_assert_eq!(found(&part), wanted(&trace, from, u64::MAX, &slow));
        // All that is used was said to begin, and nothing else.
        let (mut used, mut begun) = (BTreeSet::new(), BTreeSet::new());
        for (event, _) in events(&part) {
            match event.kind {
                EventKind::Issue(issue) => {
                    used.insert(issue.connection);
                    prop_assert!(begun.contains(&issue.connection));
                }
                EventKind::Connect(connect) => {
                    begun.insert(connect.connection);
                }
                _ => {}
            }
        }
        prop_assert_eq!(used, begun);
    }

    #[test]
    fn a_part_of_a_part_is_a_part_of_the_whole(acts in any_acts()) {
        let trace = written(&header(), entries(&acts));
        let writes = |row: &Row| row.request.operation == Operation::Write;
        let low = |row: &Row| row.request.range.offset < BLOCK * BLOCKS / 2;
        let once = cut(&trace, &between(None, None), Some(&writes)).unwrap();
        let twice = cut(&once, &between(None, None), Some(&low)).unwrap();
        assert_sound(&twice);
        prop_assert_eq!(found(&twice), wanted(&trace, 0, u64::MAX, &|row| writes(row) && low(row)));
        prop_assert_eq!(opened(&twice).header().edits.sliced.len(), 2);
    }

    #[test]
    fn a_part_without_a_device_has_its_number_no_more(acts in any_acts(), kept in 0..DEVICES) {
        let trace = written(&header(), entries(&acts));
        let devices = Some(BTreeSet::from([DeviceId(kept)]));
        let part = cut(&trace, &Cut { devices, ..Cut::default() }, None).unwrap();
        assert_sound(&part);
        let reader = opened(&part);
        prop_assert_eq!(reader.header().devices.len(), 1);
        prop_assert_eq!(&reader.header().devices[0].name, &format!("secret-{kept}"));
        prop_assert_eq!(reader.header().exports[0].device, 0);
        let moved = |row: Row| Row { device: DeviceId(0), ..row };
        let asked = wanted(&trace, 0, u64::MAX, &|row| row.device == DeviceId(kept));
        prop_assert_eq!(found(&part), asked.into_iter().map(moved).collect::<Vec<_>>());
    }
}

fn example() -> Vec<u8> {
    let write = |block| Act::Issue { device: 0, operation: 1, block, blocks: 1, fill: 1 };
    let flush = Act::Issue { device: 0, operation: 4, block: 0, blocks: 1, fill: 1 };
    let release = Act::Release { count: 1, newest: false };
    let acts = [
        write(0),
        release.clone(),
        flush.clone(),
        release.clone(),
        Act::Mark(1),
        write(1),
        flush,
        release.clone(),
        Act::Mark(2),
        release,
        write(2),
    ];
    written(&header(), entries(&acts))
}

fn ids(trace: &[u8]) -> Vec<u64> {
    rows(trace).iter().map(|row| row.id.0).collect()
}

#[test]
fn what_is_at_the_end_of_a_cut_is_not_in_it_and_what_is_at_its_beginning_is() {
    let trace = example();
    let cut_ids = |from, to| ids(&cut(&trace, &between(from, to), None).unwrap());
    assert_eq!(cut_ids(None, Some("#2")), [0, 1]);
    assert_eq!(cut_ids(Some("#2"), Some("#4")), [2, 3]);
    assert_eq!(cut_ids(Some("flush:1"), Some("flush:2")), [2, 3], "each flush ends its part");
    assert_eq!(cut_ids(Some("mark:secret mark 1"), Some("mark:secret mark 2")), [2, 3]);
    assert_eq!(cut_ids(Some("mark:secret mark 2"), None), [4]);
    assert_eq!(cut_ids(None, Some("end")), [0, 1, 2, 3, 4]);
    assert_eq!(cut_ids(Some("0s"), Some("1h")), [0, 1, 2, 3, 4], "nothing lies behind an hour");
    assert!(cut_ids(Some("#2"), Some("#2")).is_empty());
    assert!(cut_ids(Some("end"), None).is_empty());
}

#[test]
fn a_cut_that_is_nowhere_or_backwards_is_refused() {
    let trace = example();
    let refused = |from, to| cut(&trace, &between(from, to), None).unwrap_err();
    for (from, to) in [
        (Some("#99"), None),
        (None, Some("#99")),
        (Some("1h"), None),
        (Some("mark:x"), None),
        (None, Some("flush:9")),
    ] {
        assert!(matches!(refused(from, to), EditError::Nowhere(_)), "{from:?} {to:?}");
    }
    assert!(matches!(refused(Some("#3"), Some("#1")), EditError::Backwards { .. }));
    assert!(matches!(refused(Some("flush:secret/1"), None), EditError::Device(_)));
}

#[test]
fn the_fingerprint_goes_where_the_disk_was_changed_before_the_cut() {
    let trace = example();
    let method = |from| {
        let part = cut(&trace, &between(Some(from), None), None).unwrap();
        opened(&part).header().devices[0].fingerprint.method
    };
    assert_eq!(method("#0"), FingerprintMethod::Sample);
    assert_eq!(method("#1"), FingerprintMethod::None);
}

#[test]
fn the_status_stays_with_the_end_of_the_recording() {
    let trace = example();
    let end = |to| {
        let part = cut(&trace, &between(None, to), None).unwrap();
        events(&part).pop().unwrap().0.kind
    };
    assert_eq!(end(None), EventKind::End { status: Some(3) });
    assert_eq!(end(Some("end")), EventKind::End { status: Some(3) });
    assert_eq!(end(Some("#2")), EventKind::End { status: None });
}

#[test]
fn what_is_missing_in_the_cut_is_missing_in_the_part() {
    let all = entries(&[
        Act::Issue { device: 0, operation: 1, block: 0, blocks: 1, fill: 1 },
        Act::Mark(1),
        Act::Mark(2),
    ]);
    let gap_after = |place: usize| {
        let mut writer = Writer::create(Vec::new(), &header(), 7, 1).unwrap();
        for (at, entry) in all.iter().enumerate() {
            writer.append(entry.clone()).unwrap();
            if at == place {
                writer.lose(40).unwrap();
            }
        }
        writer.finish().unwrap().0
    };
    let lost = |trace: &[u8]| {
        let part = cut(trace, &between(Some("mark:secret mark 1"), None), None).unwrap();
        let survey = opened(&part).survey().unwrap();
        survey.facts.lost
    };
    assert_eq!(lost(&gap_after(2)), 0, "before the cut");
    assert_eq!(lost(&gap_after(10)), 40);
}

#[test]
fn damage_is_a_loss_whichever_pass_finds_it() {
    let mut trace = example();
    // The last byte of the events, which lie before the index.
    let index = trace.windows(4).rposition(|bytes| bytes == b"BLKC").unwrap();
    trace[index - 1] ^= 1;
    let all = |_: &Row| true;
    for takes in [None, Some(&all as &dyn Fn(&Row) -> bool)] {
        let lost = cut(&trace, &between(None, None), takes).unwrap_err();
        assert!(matches!(lost, EditError::Loss(_)), "{lost}");
    }
}

#[test]
fn whoever_hears_of_the_progress_can_end_it() {
    let mut stop = |requests| {
        if requests < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let ended = plan_slice(&mut opened(&example()), &Cut::default(), None, &mut stop);
    assert!(matches!(ended, Err(EditError::Interrupted { requests: 2 })));
}
