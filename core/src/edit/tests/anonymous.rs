//! Anonymized random traces: what is equal stays equal, and nothing that was there can be found.

use std::collections::HashMap;

use super::*;
use crate::edit::{Groups, Key, Removed, Shuffle, anonymize, group, nameless};
use crate::event::EventData;
use crate::format::{HeaderWorth, UnknownEvent};
use crate::format::{Layout, MergedHeader, RecoveredHeader, ReplayHeader, SlicedHeader};

const TOOL: &str = "blkreplay test";

fn shuffle(trace: &[u8], key: &Key, extent: u64) -> Shuffle {
    let mut reader = opened(trace);
    let mut groups = Groups::new(reader.header(), extent).unwrap();
    group(&mut reader, &mut groups, &mut go_on()).unwrap();
    groups.shuffled(key)
}

fn anonymized(trace: &[u8], key: &Key, extent: Option<u64>) -> (Vec<u8>, Removed) {
    let shuffle = extent.map(|extent| shuffle(trace, key, extent));
    let mut reader = opened(trace);
    let header = nameless(reader.header(), key, TOOL, extent);
    let writer = Writer::create(Vec::new(), &header, 9, 2).unwrap().laid_out(Layout::Rows);
    let made = anonymize(&mut reader, writer, key, shuffle.as_ref(), &mut go_on());
    let (out, _, removed) = made.unwrap();
    (out, removed)
}

/// The number of the class of each payload, in the order in which they are first seen.
fn classes(rows: &[Row]) -> Vec<(u8, usize)> {
    let mut known = HashMap::new();
    let class = |row: &Row| match row.payload {
        Payload::Absent => (0, 0),
        Payload::Zeroes => (1, 0),
        Payload::Digest(digest) | Payload::Stored(digest, _) => {
            let next = known.len();
            (2, *known.entry(digest).or_insert(next))
        }
    };
    rows.iter().map(class).collect()
}

/// A row without what is taken away.
fn kept(row: &Row, offset: bool) -> Row {
    let mut row = row.clone();
    (row.cookie, row.payload) = (0, Payload::Absent);
    row.context = Context::default();
    if !offset {
        row.request.range.offset = 0;
    }
    row
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Asserts that nothing of `trace` but what may be kept is in `out`, which lies there as it was written.
#[track_caller]
fn assert_nothing_leaks(trace: &[u8], out: &[u8]) {
    for text in ["SECRET", "secret", "export-", "path", "recorder", "123456789"] {
        assert!(!contains(out, text.as_bytes()), "{text} is in it");
    }
    for (event, _) in events(trace) {
        let (payload, cookie) = match event.kind {
            EventKind::Issue(issue) => (issue.payload, Some(issue.cookie)),
            EventKind::Block(block) => (block.payload, None),
            _ => continue,
        };
        if let Payload::Digest(digest) = payload {
            assert!(!contains(out, &digest.0.to_le_bytes()), "{digest} is in it");
            assert!(!contains(out, format!("{digest}").as_bytes()));
        }
        let cookies = rows(out).iter().map(|row| row.cookie).collect::<Vec<_>>();
        assert!(cookie.is_none_or(|cookie| !cookies.contains(&cookie)));
    }
    for device in &opened(trace).header().devices {
        let digest = device.fingerprint.digest.unwrap();
        assert!(!contains(out, format!("{digest}").as_bytes()), "{digest} is in it");
    }
}

proptest! {
    #[test]
    fn all_is_kept_but_names_data_and_cookies(acts in any_acts()) {
        let trace = written(&header(), entries(&acts));
        let (out, _) = anonymized(&trace, &Key::of(b"key"), None);
        assert_sound(&out);
        assert_nothing_leaks(&trace, &out);
        let (before, after) = (rows(&trace), rows(&out));
        let all = |rows: &[Row]| rows.iter().map(|row| kept(row, true)).collect::<Vec<_>>();
        prop_assert_eq!(all(&after), all(&before));
        prop_assert_eq!(classes(&after), classes(&before));
        let kinds = |trace: &[u8]| {
            events(trace).iter().map(|(event, _)| (event.time, event.kind.name())).collect::<Vec<_>>()
        };
        prop_assert_eq!(kinds(&out), kinds(&trace));
        prop_assert!(events(&out).iter().all(|(_, data)| data.is_none()));
    }

    #[test]
    fn moved_extents_keep_what_overlaps_and_what_follows_within_them(
        acts in any_acts(), extent in 0..3_u32,
    ) {
        let trace = written(&header(), entries(&acts));
        let extent = (4 * BLOCK) << extent;
        let (out, _) = anonymized(&trace, &Key::of(b"key"), Some(extent));
        assert_sound(&out);
        assert_nothing_leaks(&trace, &out);
        let (before, after) = (rows(&trace), rows(&out));
        let all = |rows: &[Row]| rows.iter().map(|row| kept(row, false)).collect::<Vec<_>>();
        prop_assert_eq!(all(&after), all(&before));
        for (place, (old, new)) in before.iter().zip(&after).enumerate() {
            let (old_range, new_range) = (old.request.range, new.request.range);
            prop_assert!(new_range.offset + new_range.length <= BLOCK * BLOCKS, "within the device");
            for (other_old, other_new) in before.iter().zip(&after).take(place) {
                if old.device != other_old.device {
                    continue;
                }
                let overlap = |one: &Row, other: &Row| one.request.range.overlaps(other.request.range);
                prop_assert_eq!(overlap(old, other_old), overlap(new, other_new));
                if overlap(old, other_old) {
                    let apart = |one: ByteRange, other: ByteRange| one.offset.wrapping_sub(other.offset);
                    prop_assert_eq!(
                        apart(old_range, other_old.request.range),
                        apart(new_range, other_new.request.range)
                    );
                }
            }
        }
    }
}

#[test]
fn one_key_makes_equal_tokens_in_two_traces_and_another_one_does_not() {
    let write = Act::Issue { device: 0, operation: 1, block: 3, blocks: 1, fill: 2 };
    let trace = written(&header(), entries(&[write]));
    let payload = |key: &[u8]| rows(&anonymized(&trace, &Key::of(key), None).0)[0].payload;
    assert_eq!(payload(b"one"), payload(b"one"));
    assert!(payload(b"one").differs(&payload(b"other")));
    let key = |key: &[u8]| {
        let (out, _) = anonymized(&trace, &Key::of(key), None);
        opened(&out).header().edits.anonymized.clone().unwrap().key
    };
    assert_eq!(key(b"one"), key(b"one"));
    assert_ne!(key(b"one"), key(b"other"));
}

#[test]
fn marks_get_numbers_and_those_of_one_name_the_same() {
    let trace = written(&header(), entries(&[Act::Mark(2), Act::Mark(0), Act::Mark(2)]));
    let (out, removed) = anonymized(&trace, &Key::of(b"key"), None);
    let name = |event: &Event| match &event.kind {
        EventKind::Mark { name } => Some(name.as_str().to_owned()),
        _ => None,
    };
    let names: Vec<_> = events(&out).iter().filter_map(|(event, _)| name(event)).collect();
    assert_eq!(names, ["mark1", "mark2", "mark1"]);
    assert_eq!(removed.marks, 3);
}

#[test]
fn what_a_machine_took_from_the_world_and_notes_that_are_not_known_are_left_out() {
    let data = EventData::new(Bytes::from_static(b"SECRET key strokes")).unwrap();
    let mut writer = Writer::create(Vec::new(), &header(), 7, 1).unwrap();
    for kind in [
        EventKind::CharRead { device: 0, data: data.clone() },
        EventKind::Net { filter: 0, flags: 0, frame: data.clone() },
        EventKind::Random { result: 0, data },
        EventKind::BlockId { id: RequestId(1) },
    ] {
        writer.append(Entry { event: Event { time: Nanos(1), kind }, data: None }).unwrap();
    }
    let fields = b"SECRET".to_vec();
    writer.append_unknown(UnknownEvent { time: Nanos(2), kind: 0x99, fields }).unwrap();
    let end = Event { time: Nanos(3), kind: EventKind::End { status: None } };
    writer.append(Entry { event: end, data: None }).unwrap();
    let (trace, _) = writer.finish().unwrap();
    let (out, removed) = anonymized(&trace, &Key::of(b"key"), None);
    assert!(!contains(&out, b"SECRET"));
    assert_sound(&out);
    assert_eq!((removed.guest, removed.unknown), (4, 1));
    assert_eq!(events(&out).len(), 1);
}

#[test]
fn where_a_trace_came_from_is_told_without_names() {
    let secret = || "secret".to_owned();
    let recovered = RecoveredHeader { tool: secret(), header: HeaderWorth::Whole, bytes: 5 };
    let replay = ReplayHeader { of: secret(), order: secret() };
    let sliced = SlicedHeader {
        tool: secret(),
        of: secret(),
        from: Some(secret()),
        to: Some(secret()),
        filter: Some(secret()),
        devices: Some(vec![secret()]),
        requests: 1,
        of_requests: 2,
    };
    let merged = MergedHeader {
        of: secret(),
        file: secret(),
        tool: secret(),
        command: vec![secret()],
        devices: vec![secret()],
        requests: 1,
        shift: 1_795_000_000_123_456_789,
        status: None,
        recovered: Some(recovered.clone()),
        replay: Some(replay.clone()),
        sliced: vec![sliced.clone()],
    };
    let mut named = Header { recovered: Some(recovered), replay: Some(replay), ..header() };
    named.devices[0].format = secret();
    named.exports[0].contexts.push(secret());
    named.edits = Edits { sliced: vec![sliced], merged: vec![merged], anonymized: None };
    let trace = written(&named, entries(&[]));
    let (out, _) = anonymized(&trace, &Key::of(b"key"), Some(4096));
    assert_nothing_leaks(&trace, &out);
    let header = opened(&out).header().clone();
    assert!(header.recovered.is_some() && header.replay.is_some());
    assert_eq!((header.edits.sliced.len(), header.edits.merged.len()), (1, 1));
    assert_eq!(header.edits.anonymized.unwrap().extents_moved, Some(4096));
    assert_eq!(header.wall_clock_ns, 0);
}

#[test]
fn a_request_on_the_whole_device_keeps_no_extents_together() {
    let whole = |operation| {
        let range = (0, BLOCKS);
        let act = Act::Issue { device: 0, operation, block: range.0, blocks: range.1, fill: 1 };
        let trace = written(&header(), entries(&[act]));
        let (moved, all) = shuffle(&trace, &Key::of(b"key"), BLOCK).moved();
        assert_eq!(all, BLOCKS * u64::from(DEVICES));
        let (out, _) = anonymized(&trace, &Key::of(b"key"), Some(BLOCK));
        assert_eq!(rows(&out)[0].request.range, rows(&trace)[0].request.range);
        moved
    };
    let (discard, block_status) = (whole(3), whole(5));
    assert!(discard > BLOCKS * 2, "{discard} of all three devices");
    assert!(block_status < discard, "what it said of each place still holds");
}

#[test]
fn too_many_extents_are_refused_before_memory_is_taken() {
    let mut large = header();
    large.devices[1].size = u64::MAX;
    let refused = Groups::new(&large, 512).unwrap_err();
    assert!(refused.found > 1 << 50 && refused.to_string().contains("at most 4194304"));
}
