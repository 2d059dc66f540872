//! Merges of random traces.

use std::collections::BTreeSet;

use super::slices::cut;
use super::*;
use crate::edit::{Cut, EditError, JoinError, MergeError, Part, Source, join, merge};
use crate::format::AnonymizedHeader;
use crate::position::Position;

fn part(trace: &[u8], shift: u64) -> Part {
    let survey = opened(trace).survey().unwrap();
    Part {
        header: survey.header,
        uuid: "u".to_owned(),
        file: "f".to_owned(),
        requests: survey.facts.operations.total().issues,
        status: survey.status,
        shift: Nanos(shift),
    }
}

fn merged(traces: &[(&[u8], u64)]) -> Result<Vec<u8>, MergeError> {
    let parts: Vec<_> = traces.iter().map(|(trace, shift)| part(trace, *shift)).collect();
    let header = join(&header(), &parts).unwrap();
    let sources = traces
        .iter()
        .map(|(trace, shift)| Source { reader: opened(trace), shift: Nanos(*shift) })
        .collect();
    let writer = Writer::create(Vec::new(), &header, 9, 2).unwrap();
    merge(sources, writer, &mut go_on()).map(|(out, _)| out)
}

/// What a device was asked and answered, in order; `shift` is taken from times.
fn asked(trace: &[u8], device: u16, shift: u64) -> Vec<Row> {
    let of_device = rows(trace).into_iter().filter(|row| row.device == DeviceId(device));
    of_device
        .map(|mut row| {
            (row.id, row.event, row.device) = (RequestId(0), 0, DeviceId(0));
            row.connection = ConnectionId(0);
            row.context = Context::default();
            row.time = Nanos(row.time.0 - shift);
            if let Payload::Stored(digest, _) = row.payload {
                row.payload = Payload::Digest(digest);
            }
            row
        })
        .collect()
}

/// Ids count up, and what is released lies directly behind its checkpoint.
fn assert_woven(trace: &[u8]) {
    assert_sound(trace);
    let mut released = false;
    for (event, _) in events(trace) {
        match event.kind {
            EventKind::Checkpoint(_) => released = true,
            EventKind::Block(block) => assert!(released, "{} has no checkpoint", block.id),
            _ => released = false,
        }
    }
}

proptest! {
    #[test]
    fn each_device_of_a_merged_trace_was_asked_what_it_was_asked_before(
        one in any_acts(), other in any_acts(), shift in 0..500_u64,
    ) {
        let (one, other) = (written(&header(), entries(&one)), written(&header(), entries(&other)));
        let all = merged(&[(&one, 0), (&other, shift), (&one, 1000)]).unwrap();
        assert_woven(&all);
        for (place, (trace, shift)) in (0..).zip([(&one, 0), (&other, shift), (&one, 1000)]) {
            for device in 0..DEVICES {
                // Times move a little where a step of another trace is kept together.
                let timeless = |rows: Vec<Row>| {
                    rows.into_iter().map(|row| Row { time: Nanos(0), ..row }).collect::<Vec<_>>()
                };
                let found = asked(&all, place * DEVICES + device, shift);
                prop_assert_eq!(timeless(found), timeless(asked(trace, device, 0)));
            }
        }
        // No event comes earlier than it did, and data came along.
        let data = |trace: &[u8]| events(trace).iter().filter(|(_, data)| data.is_some()).count();
        prop_assert_eq!(data(&all), 2 * data(&one) + data(&other));
    }

    #[test]
    fn the_devices_of_a_trace_cut_apart_and_merged_are_what_they_were(acts in any_acts()) {
        let whole = written(&header(), entries(&acts));
        let parts: Vec<_> = (0..DEVICES)
            .map(|device| {
                let devices = Some(BTreeSet::from([DeviceId(device)]));
                cut(&whole, &Cut { devices, ..Cut::default() }, None).unwrap()
            })
            .collect();
        let parts: Vec<_> = parts.iter().map(|part| (part.as_slice(), 0)).collect();
        let again = merged(&parts).unwrap();
        assert_woven(&again);
        for device in 0..DEVICES {
            prop_assert_eq!(asked(&again, device, 0), asked(&whole, device, 0));
        }
        let ids: Vec<_> = rows(&again).iter().map(|row| row.id.0).collect();
        prop_assert_eq!(ids, (0..rows(&whole).len() as u64).collect::<Vec<_>>());
    }
}

#[test]
fn devices_exports_and_connections_get_names_and_numbers_of_their_own() {
    let acts = [Act::Issue { device: 1, operation: 0, block: 0, blocks: 1, fill: 1 }];
    let trace = written(&header(), entries(&acts));
    let all = merged(&[(&trace, 0), (&trace, 7)]).unwrap();
    let header = opened(&all).header().clone();
    let names: Vec<_> = header.devices.iter().map(|device| device.name.as_str()).collect();
    let twice = ["secret-0", "secret-1", "secret-2", "secret-0-2", "secret-1-2", "secret-2-2"];
    assert_eq!(names, twice);
    let exports: Vec<_> = header.exports.iter().map(|export| export.names.join(" ")).collect();
    assert_eq!(exports, ["export-0 0", "export-1 1", "export-2 2", "3", "4", "5"]);
    assert_eq!(header.edits.merged[1].devices, twice[3..]);
    assert_eq!((header.edits.merged[1].shift, header.edits.merged[1].requests), (7, 1));
    assert_eq!(header.edits.merged[1].status, Some(3));
    let rows = rows(&all);
    let numbers: Vec<_> = rows.iter().map(|row| (row.id.0, row.device.0)).collect();
    assert_eq!(numbers, [(0, 1), (1, 4)]);
    assert_ne!(rows[0].connection, rows[1].connection);
    assert_eq!(events(&all).last().unwrap().0.kind, EventKind::End { status: None });
}

#[test]
fn the_least_that_is_kept_of_data_is_what_the_header_says() {
    let policy = |policies: [PayloadPolicy; 2]| {
        let parts = policies
            .map(|payload| part(&written(&Header { payload, ..header() }, entries(&[])), 0));
        join(&header(), &parts).unwrap().payload
    };
    assert_eq!(policy([PayloadPolicy::All, PayloadPolicy::Write]), PayloadPolicy::Write);
    assert_eq!(policy([PayloadPolicy::None, PayloadPolicy::All]), PayloadPolicy::None);
}

#[test]
fn tokens_of_different_keys_and_too_many_devices_are_refused() {
    let plain = part(&written(&header(), entries(&[])), 0);
    let with_key = |key: &str| {
        let mut part = plain.clone();
        let (tool, key) = ("t".to_owned(), key.to_owned());
        part.header.edits.anonymized = Some(AnonymizedHeader { tool, key, extents_moved: None });
        part
    };
    let refused = |parts: &[Part]| join(&header(), parts).unwrap_err();
    assert_eq!(refused(&[plain.clone(), with_key("a")]), JoinError::Tokens);
    assert_eq!(refused(&[with_key("a"), with_key("b")]), JoinError::Tokens);
    assert!(join(&header(), &[with_key("a"), with_key("a")]).is_ok());
    let many = vec![plain; 400];
    assert_eq!(refused(&many), JoinError::Devices { found: 1200 });
}

#[test]
fn machines_and_numbers_without_requests_are_refused() {
    let with = |kind: EventKind| {
        let mut entries = entries(&[]);
        entries.insert(1, Entry { event: Event { time: Nanos(10), kind }, data: None });
        written(&header(), entries)
    };
    let machine = with(EventKind::Instruction { count: 5 });
    let plain = written(&header(), entries(&[]));
    assert_woven(&merged(&[(&plain, 0), (&machine, 0)]).unwrap());
    let two = merged(&[(&plain, 0), (&machine, 0), (&machine, 0)]).unwrap_err();
    assert!(matches!(two, MergeError::TwoMachines { first: 1, second: 2 }), "{two}");
    let number = with(EventKind::BlockId { id: RequestId(3) });
    let refused = merged(&[(&plain, 0), (&number, 0)]).unwrap_err();
    assert!(matches!(refused, MergeError::NumberOnly { place: 1, event: 1 }), "{refused}");
    let nowhere = with(EventKind::Open { device: DeviceId(DEVICES) });
    let refused = merged(&[(&nowhere, 0), (&plain, 0)]).unwrap_err();
    assert!(matches!(refused, MergeError::NoDevice { place: 0, device: DEVICES, .. }));
    let far = with(EventKind::Disconnect {
        connection: ConnectionId(u32::MAX),
        reason: Disconnect::Asked,
    });
    let refused = merged(&[(&plain, 0), (&far, 0)]).unwrap_err();
    assert!(matches!(refused, MergeError::Connection { connection: u32::MAX, .. }), "{refused}");
}

#[test]
fn what_is_missing_in_one_is_missing_in_all_and_damage_is_a_loss() {
    let acts = [Act::Issue { device: 0, operation: 0, block: 0, blocks: 1, fill: 1 }];
    let mut writer = Writer::create(Vec::new(), &header(), 7, 1).unwrap();
    for entry in entries(&acts) {
        // The issue is lost, and its completion is not.
        if matches!(entry.event.kind, EventKind::Issue(_)) {
            writer.lose(1).unwrap();
        } else {
            writer.append(entry).unwrap();
        }
    }
    let (hurt, _) = writer.finish().unwrap();
    let plain = written(&header(), entries(&acts));
    let all = merged(&[(&plain, 0), (&hurt, 0)]).unwrap();
    assert_eq!(opened(&all).survey().unwrap().facts.lost, 2, "an issue, and its completion");
    let mut damaged = plain.clone();
    let index = damaged.windows(4).rposition(|bytes| bytes == b"BLKC").unwrap();
    damaged[index - 1] ^= 1;
    let lost = merged(&[(&plain, 0), (&damaged, 0)]).unwrap_err();
    let MergeError::Source { place: 1, source: EditError::Loss(_) } = lost else {
        panic!("{lost}")
    };
}

#[test]
fn a_part_of_a_merged_trace_says_both() {
    let acts = [Act::Mark(1), Act::Mark(2)];
    let plain = written(&header(), entries(&acts));
    let all = merged(&[(&plain, 0), (&plain, 0)]).unwrap();
    let from = Some("mark:secret mark 2".parse::<Position>().unwrap());
    let part = cut(&all, &Cut { from, ..Cut::default() }, None).unwrap();
    let edits = opened(&part).header().edits.clone();
    assert_eq!((edits.merged.len(), edits.sliced.len()), (2, 1));
}
