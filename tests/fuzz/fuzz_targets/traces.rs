//! Targets that take a trace: whatever it is, each way of reading it must agree with the others.
//!
//! Invariant: a failed assertion here is a bug of the reader, never of the input.

use std::io::Cursor;

use blkreplay_core::event::{Event, EventKind, Payload};
use blkreplay_core::format::{Entry, Reader, Target, Writer};
use blkreplay_core::limits::REQUEST_DATA_BYTES_MAX;
use blkreplay_core::rows::Rows;
use blkreplay_fixtures::native::TRACES;
use blkreplay_fixtures::patch::Parts;
use bytes::Bytes;

/// Bytes of a write that packs to almost nothing.
const DENSE_BYTES: usize = 256 << 10;

/// Where the header of a chunk says how its body is packed.
const CODEC_AT: usize = 7;

/// Native fixtures: everything that a trace can hold. And one that unpacks to much more than it is, and one whose
/// columns are not packed.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let natives = TRACES.iter().map(|(_, make)| make());
    natives.chain([dense(), unpacked()]).collect()
}

/// A trace by column as it is before it is packed, so that a changed byte changes a column and not all of the body.
fn unpacked() -> Vec<u8> {
    let (_, make) = TRACES.iter().find(|(name, _)| name.contains("columns")).expect("it is there");
    let mut parts = Parts::of(&make());
    for chunk in parts.events() {
        assert_eq!(chunk.fixed[CODEC_AT], 1, "it is packed");
        chunk.body = zstd::decode_all(&chunk.body[..]).expect("it was packed by us");
        chunk.set(CODEC_AT, 1, 0);
    }
    parts.bytes()
}

/// A trace of one long write.
fn dense() -> Vec<u8> {
    let trace = TRACES[0].1();
    let mut reader = Reader::open(Cursor::new(&trace)).expect("it is a trace");
    let mut writer =
        Writer::create(Vec::new(), reader.header(), 1, 2).expect("a vector takes everything");
    let data = Bytes::from(vec![7; DENSE_BYTES]);
    while let Some((_, mut event)) = reader.next_event().expect("it is whole") {
        let mut stored = None;
        if let EventKind::Issue(issue) = &mut event.kind {
            issue.payload = Payload::of(&data);
            stored = Some(data.clone());
        }
        writer.append(Entry { event, data: stored }).expect("a vector takes everything");
    }
    writer.finish().expect("a vector takes everything").0
}

/// The beginning of each trace.
pub(crate) fn header_seeds() -> Vec<Vec<u8>> {
    let header_len = |trace: &[u8]| u32::from_le_bytes(trace[16..20].try_into().expect("4 bytes"));
    let cut = |mut trace: Vec<u8>| {
        trace.truncate(header_len(&trace) as usize);
        trace
    };
    seeds().into_iter().map(cut).collect()
}

/// Opens it: the header is whole or refused with a reason.
pub(crate) fn header(input: &[u8]) {
    match Reader::open(Cursor::new(input)) {
        Ok(reader) => assert!(!format!("{:?}", reader.header()).is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A trace that was read without an error.
pub(crate) struct Heard {
    /// With their indices.
    pub(crate) events: Vec<(u64, Event)>,
    /// Nothing is missing.
    pub(crate) whole: bool,
}

/// Reads a trace; `None` if that ends in an error. Checks what a reader promises on the way.
pub(crate) fn hear(input: &[u8]) -> Option<Heard> {
    let mut reader = Reader::open(Cursor::new(input)).ok()?;
    let mut events: Vec<(u64, Event)> = Vec::new();
    loop {
        match reader.next_event() {
            Ok(Some((index, event))) => {
                if let Some((before, earlier)) = events.last() {
                    assert!(index > *before, "indices go up");
                    assert!(event.time >= earlier.time, "time never goes back");
                }
                events.push((index, event));
            }
            Ok(None) => break,
            Err(_) => return None,
        }
    }
    let ended = matches!(events.last(), Some((_, Event { kind: EventKind::End { .. }, .. })));
    match reader.loss() {
        None => assert!(ended, "nothing is lost of what ends in order"),
        Some(loss) => {
            assert!(!loss.to_string().is_empty());
            assert_eq!(loss.offset + loss.bytes_unread, input.len() as u64);
        }
    }
    let whole = reader.loss().is_none();
    Some(Heard { events, whole })
}

/// Reads it to its end.
pub(crate) fn read(input: &[u8]) {
    hear(input);
}

/// Walks over its headers and summaries: what is said agrees with what reading gives.
pub(crate) fn survey(input: &[u8]) {
    let Ok(reader) = Reader::open(Cursor::new(input)) else { return };
    let Ok(survey) = reader.survey() else { return };
    let Some(Heard { events, .. }) = hear(input) else { return };
    let status = events.last().and_then(|(_, event)| match event.kind {
        EventKind::End { status } => status,
        _ => None,
    });
    // What an index says of the chunks before it is taken as it stands.
    let has_index = input.windows(8).any(|bytes| bytes == b"BLKINDEX");
    if survey.loss.is_none() {
        assert_eq!(survey.facts.file_bytes, input.len() as u64);
    }
    if survey.loss.is_none() && !has_index {
        assert!(events.len() as u64 <= survey.facts.events, "a survey counts all events");
        let last = events.last().map(|(_, event)| &event.kind);
        let whole = matches!(last, Some(EventKind::End { .. }));
        assert!(!whole || survey.status == status, "both say how it ended");
    }
}

/// Goes to places in it: reading on from there gives what reading from the beginning gives.
pub(crate) fn seek(input: &[u8]) {
    let Some(Heard { events: all, whole }) = hear(input) else { return };
    let Some((index, middle)) = all.get(all.len() / 2) else { return };
    let ids = all.iter().filter_map(|(_, event)| match &event.kind {
        EventKind::Issue(issue) => Some(issue.id),
        _ => None,
    });
    let mut targets = vec![
        Target::Event(*index),
        Target::Time(middle.time),
        Target::Flush(None, 1),
        Target::Mark("formatted".parse().expect("it is a name")),
        Target::End,
        Target::LastEvents(3),
        Target::LastIssues(2),
    ];
    targets.extend(ids.last().map(Target::Request));
    for target in targets {
        let mut reader = Reader::open(Cursor::new(input)).expect("it was opened before");
        if reader.seek(&target).is_err() {
            continue;
        }
        let mut rest = Vec::new();
        while let Ok(Some(event)) = reader.next_event() {
            rest.push(event);
        }
        // Where something is lost, a seek may get behind it.
        assert!(!whole || all.ends_with(&rest), "{target:?}: {rest:?} is no end of {all:?}");
    }
}

/// Asks for every payload that an event names, and for some that none names.
pub(crate) fn payloads(input: &[u8]) {
    let Ok(mut reader) = Reader::open(Cursor::new(input)) else { return };
    while let Ok(Some((index, event))) = reader.next_event() {
        let payload = match event.kind {
            EventKind::Issue(issue) => issue.payload,
            EventKind::Block(block) => block.payload,
            _ => continue,
        };
        if let Payload::Stored(_, id) = payload {
            if let Ok(data) = reader.payload(id) {
                assert!(data.len() <= 2 * REQUEST_DATA_BYTES_MAX as usize, "{}", data.len());
            }
            let _ = reader.payload(blkreplay_core::event::PayloadId(id.0 ^ index));
        }
    }
}

/// Joins its events into requests: one row for each issue.
pub(crate) fn rows(input: &[u8]) {
    let Ok(reader) = Reader::open(Cursor::new(input)) else { return };
    let mut rows = Rows::new(reader);
    let mut count = 0;
    while let Ok(Some(row)) = rows.next_row() {
        assert!(!format!("{row:?} {}", row.payload).is_empty());
        count += 1;
    }
    if let Some(Heard { events, .. }) = hear(input) {
        let issues = events.iter().filter(|(_, event)| matches!(event.kind, EventKind::Issue(_)));
        assert_eq!(count, issues.count(), "each issue gives one row");
    }
}

/// Writes its events anew: they read back as they were.
pub(crate) fn rewrite(input: &[u8]) {
    let Ok(reader) = Reader::open(Cursor::new(input)) else { return };
    let header = reader.header().clone();
    let Some(Heard { events: before, .. }) = hear(input) else { return };
    let Ok(mut writer) = Writer::create(Vec::new(), &header, 1, 2) else { return };
    for (_, event) in &before {
        let entry = Entry { event: event.clone(), data: None };
        writer.append(entry).expect("a vector takes everything");
    }
    let (bytes, _) = writer.finish().expect("a vector takes everything");
    let after = hear(&bytes).expect("what we write can be read").events;
    let plain = |events: Vec<(u64, Event)>| events.into_iter().map(|(_, event)| event);
    assert!(plain(before).eq(plain(after)), "events read back as they were written");
}
