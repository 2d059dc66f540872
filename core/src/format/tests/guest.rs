//! Tests of the events of a virtual machine, and of requests that came early: what is written is read, and what is
//! none of them is refused by name.

use proptest::collection::vec;
use proptest::prelude::*;

use super::columns::COLUMNS;
use super::*;
use crate::event::{AudioIn, ClockKind, EventData, Input, Key, Sample, Samples, ShutdownCause};
use crate::format::before::{self, shape};
use crate::format::decode::{DecodeError, Decoded, Decoder};
use crate::format::{columns, encode, varint};
use crate::limits::EVENT_BYTES_MAX;

fn data(bytes: &[u8]) -> EventData {
    EventData::new(bytes.to_vec()).unwrap()
}

/// One or more of each kind, with numbers at their edges.
pub(super) fn every_kind() -> Vec<EventKind> {
    let down = true;
    let mut kinds: Vec<_> =
        Checkpoint::NAMES.into_iter().map(|(which, _)| EventKind::Checkpoint(which)).collect();
    kinds.extend([
        EventKind::Bh { id: u64::MAX },
        EventKind::BhOneshot { id: 0 },
        EventKind::BlockId { id: RequestId(u64::MAX) },
        EventKind::Input(Input::Key { key: Key::Number(u64::MAX), down }),
        EventKind::Input(Input::Key { key: Key::Qcode(u32::MAX), down }),
        EventKind::Input(Input::Key { key: Key::Linux(30), down: false }),
        EventKind::Input(Input::Button { button: 2, down }),
        EventKind::Input(Input::Relative { axis: 1, value: i64::MIN }),
        EventKind::Input(Input::Absolute { axis: u32::MAX, value: i64::MAX }),
        EventKind::Input(Input::MultiTouch {
            phase: 1,
            slot: -1,
            tracking_id: i64::MIN,
            axis: 0,
            value: 7,
        }),
        EventKind::InputSync,
        EventKind::CharRead { device: 255, data: data(b"ls\r") },
        EventKind::Net { filter: 1, flags: u32::MAX, frame: data(&[0xff; 60]) },
        EventKind::Random { result: i32::MIN, data: data(b"") },
        EventKind::Instruction { count: u64::MAX },
        EventKind::Interrupt,
        EventKind::Exception,
        EventKind::CharWrite { result: -11, offset: i32::MAX },
        EventKind::CharReadAll { data: data(&[0]) },
        EventKind::CharReadAllError { error: i32::MIN },
        EventKind::AudioOut { played: u64::MAX },
    ]);
    let samples = vec![Sample { left: i64::MIN, right: i64::MAX }, Sample { left: 0, right: -1 }];
    for (position, samples) in [(None, samples), (Some(u64::MAX), Vec::new())] {
        let samples = Samples::new(samples).unwrap();
        kinds.push(EventKind::AudioIn(AudioIn { recorded: 2, position, samples }));
    }
    let clocks = ClockKind::NAMES.into_iter().zip([i64::MIN, i64::MAX, -1]);
    kinds.extend(clocks.map(|((clock, _), value)| EventKind::Clock { clock, value }));
    kinds.extend(ShutdownCause::NAMES.into_iter().map(|(cause, _)| EventKind::Shutdown { cause }));
    kinds
}

/// All of them between requests, of which every other came early.
fn mixed() -> Vec<Entry> {
    let mut entries = Vec::new();
    for (id, kind) in (0..).zip(every_kind()) {
        let mut asked = issue(id, Operation::Read, Payload::Absent);
        if let EventKind::Issue(issue) = &mut asked {
            issue.early = Nanos(if id % 2 == 0 { 0 } else { 10 * id + 3 });
        }
        entries.extend([plain(10 * id + 3, asked), plain(10 * id + 5, kind)]);
    }
    entries.push(plain(5000, END));
    entries
}

#[test]
fn every_kind_of_event_reads_back_in_either_layout() {
    let entries = mixed();
    for layout in [Layout::Rows, COLUMNS] {
        for ticks in [&[][..], &[20, 21, 70]] {
            let read = read(&written_as(layout, &entries, ticks).0).unwrap();
            assert!(read.loss.is_none());
            assert_eq!(read.events.len(), entries.len());
            check_prefix(&read, &entries);
        }
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_of_them_is_noticed() {
    let entries = mixed();
    for layout in [Layout::Rows, COLUMNS] {
        let (bytes, _) = written_as(layout, &entries, &[50]);
        let header = frame::u32_at(&bytes, 16) as usize;
        for end in header..bytes.len() {
            let read = read(&bytes[..end]).unwrap();
            check_prefix(&read, &entries);
            assert!(read.loss.is_some(), "{end} bytes");
        }
        for bit in 8 * header..8 * bytes.len() {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let read = read(&bytes).unwrap();
            check_prefix(&read, &entries);
            assert!(read.loss.is_some(), "byte {}, bit {}", bit / 8, bit % 8);
        }
    }
}

#[test]
fn the_largest_data_fit_and_close_their_chunk() {
    let largest = EventKind::CharReadAll { data: data(&vec![7; EVENT_BYTES_MAX]) };
    let samples = Samples::new(vec![Sample { left: 1, right: -1 }; Samples::MAX]).unwrap();
    let recorded = Samples::MAX as u64;
    let loudest = EventKind::AudioIn(AudioIn { recorded, position: None, samples });
    let entries = [plain(1, largest.clone()), plain(2, loudest), plain(3, largest), plain(4, END)];
    for layout in [Layout::Rows, COLUMNS] {
        let (bytes, written) = written_as(layout, &entries, &[]);
        let read = read(&bytes).unwrap();
        assert_eq!(read.events.len(), 4);
        check_prefix(&read, &entries);
        assert_eq!(written.chunks, if layout == Layout::Rows { 4 } else { 2 }, "{layout:?}");
    }
}

/// Why an event of `kind` at time 0 with these fields is refused.
fn refused(kind: u8, fields: &[u8]) -> DecodeError {
    let mut body = vec![kind, 0];
    body.extend(fields);
    // By column the same bytes lie behind a list of two columns and one run.
    let mut columns = vec![2, 1, 0, 1, 23, 0];
    varint::put(&mut columns, body.len() as u64);
    columns.push(3);
    columns.extend(&body);
    let by_row = Decoder::new(body, 1, 0, 0).next().unwrap_err();
    if kind != before::CHECKPOINT {
        assert!(columns::Decoder::new(&columns, 1, 0, 0).is_err(), "{fields:?}");
    }
    by_row
}

#[test]
fn what_this_version_does_not_know_is_refused_by_name() {
    for (kind, fields, what, found) in [
        (before::CHECKPOINT, &[10][..], "a checkpoint", 10),
        (before::INPUT, &[5], "the kind of an input", 5),
        (before::INPUT, &[0, 3], "the way in which a key is named", 3),
        (before::INPUT, &[0, 2, 30, 2], "whether a key is down", 2),
        (before::INPUT, &[0, 1, 0x80, 0x80, 0x80, 0x80, 0x10], "a key", 1 << 32),
        (before::INPUT, &[1, 0, 0xff], "whether a button is down", 255),
        (before::CLOCK, &[3], "a clock", 3),
        (before::SHUTDOWN, &[12], "the cause of a shutdown", 12),
        (before::CHAR_WRITE, &[0x80, 0x80, 0x80, 0x80, 0x10], "the result of char_write", 1 << 31),
        (before::AUDIO_IN, &[0, 2], "whether the place of audio_in is there", 2),
        (before::AUDIO_IN, &[0, 0, 0x81, 0x80, 4], "the number of samples", 65_537),
    ] {
        match refused(kind, fields) {
            DecodeError::Value { what: named, found: value, .. } => {
                assert_eq!((named, value), (what, found), "kind {kind}, {fields:?}");
            }
            other => panic!("kind {kind}, {fields:?}: {other}"),
        }
    }
}

#[test]
fn data_that_are_too_long_are_refused_before_they_are_taken() {
    for (kind, fields) in [
        (before::CHAR_READ, &[0][..]),
        (before::NET, &[0, 0]),
        (before::RANDOM, &[0]),
        (before::CHAR_READ_ALL, &[]),
    ] {
        let mut fields = fields.to_vec();
        varint::put(&mut fields, EVENT_BYTES_MAX as u64 + 1);
        let refused = refused(kind, &fields).to_string();
        assert!(refused.ends_with("has 1048577 bytes, at most 1048576 are allowed"), "{refused}");
    }
}

#[test]
fn fields_that_are_cut_short_are_refused() {
    for kind in every_kind() {
        let mut encoder = encode::Encoder::default();
        encoder.add(&Event { time: Nanos(0), kind: kind.clone() });
        let body = encoder.take().body;
        for cut in 2..body.len() {
            let cut = Decoder::new(body[..cut].to_vec(), 1, 0, 0).next();
            assert!(matches!(cut, Err(DecodeError::Source(_))), "{kind:?}: {cut:?}");
        }
        let mut whole = Decoder::new(body.clone(), 1, 0, 0);
        assert_eq!(whole.next(), Ok(Decoded::Event(Event { time: Nanos(0), kind })));
    }
}

#[test]
fn a_request_that_came_before_the_recording_began_is_refused_and_never_written() {
    let mut asked = issue(0, Operation::Read, Payload::Absent);
    if let EventKind::Issue(issue) = &mut asked {
        issue.early = Nanos(8);
    }
    for layout in [Layout::Rows, COLUMNS] {
        let entries = [plain(7, asked.clone()), plain(9, END)];
        let events = read(&written_as(layout, &entries, &[]).0).unwrap().events;
        let EventKind::Issue(issue) = &events[0].kind else { panic!("{events:?}") };
        assert_eq!((issue.early, issue.arrived(events[0].time)), (Nanos(7), Nanos(0)));
    }
    // An issue at 7 ns that is shaped as early, by 8 ns.
    let body = [before::ISSUE, 0, 0, shape::EARLY, 0, 8, 0, 0, 0];
    let early = Decoder::new(body.to_vec(), 1, 7, 7).next().unwrap_err();
    assert_eq!(early, DecodeError::Early { at: 6, early: 8, time: 7 });
    let text = "byte 6: a request came 8 ns before its event, which is at 7 ns";
    assert_eq!(early.to_string(), text);
    // The same by column: kinds, shape, early.
    let body = [3, 1, 0, 1, 4, 0, 1, 25, 0, 1, 0, shape::EARLY, 8];
    // It has a route, which is the first of a list of one.
    let routed = [4, 1, 0, 1, 4, 0, 1, 21, 0, 2, 25, 0, 1, 0, shape::EARLY, 0, 0, 8];
    assert!(columns::Decoder::new(&body, 1, 7, 7).is_err(), "it has no route");
    let mut decoder = columns::Decoder::new(&routed, 1, 7, 7).unwrap();
    assert_eq!(decoder.next(), Err(DecodeError::Early { at: 0, early: 8, time: 7 }));
}

pub(super) fn any_guest_event() -> impl Strategy<Value = (EventKind, Option<Bytes>)> {
    let kind = prop_oneof![any_input(), any_bytes(), any_number(), any_audio()];
    kind.prop_map(|kind| (kind, None))
}

fn any_input() -> impl Strategy<Value = EventKind> {
    let key = prop_oneof![
        any::<u64>().prop_map(Key::Number),
        any::<u32>().prop_map(Key::Qcode),
        (0..800_u32).prop_map(Key::Linux),
    ];
    let input = prop_oneof![
        (key, any::<bool>()).prop_map(|(key, down)| Input::Key { key, down }),
        (any::<u32>(), any::<bool>()).prop_map(|(button, down)| Input::Button { button, down }),
        (any::<u32>(), any::<i64>()).prop_map(|(axis, value)| Input::Relative { axis, value }),
        (0..2_u32, -9..9_i64).prop_map(|(axis, value)| Input::Absolute { axis, value }),
        any::<(u32, i64, i64, u32, i64)>().prop_map(|(phase, slot, tracking_id, axis, value)| {
            Input::MultiTouch { phase, slot, tracking_id, axis, value }
        }),
    ];
    prop_oneof![input.prop_map(EventKind::Input), Just(EventKind::InputSync)]
}

fn any_bytes() -> impl Strategy<Value = EventKind> {
    (vec(any::<u8>(), 0..40), 0..4, any::<(u8, u32, i32)>()).prop_map(
        |(bytes, which, (device, flags, result))| {
            let data = data(&bytes);
            match which {
                0 => EventKind::CharRead { device, data },
                1 => EventKind::Net { filter: device, flags, frame: data },
                2 => EventKind::Random { result, data },
                _ => EventKind::CharReadAll { data },
            }
        },
    )
}

fn any_number() -> impl Strategy<Value = EventKind> {
    let clock = (0..ClockKind::NAMES.len(), any::<i64>());
    let clock =
        clock.prop_map(|(at, value)| EventKind::Clock { clock: ClockKind::NAMES[at].0, value });
    let cause = (0..ShutdownCause::NAMES.len()).prop_map(|at| ShutdownCause::NAMES[at].0);
    prop_oneof![
        any::<u64>().prop_map(|id| EventKind::Bh { id }),
        any::<u64>().prop_map(|id| EventKind::BhOneshot { id }),
        clock,
        any::<u64>().prop_map(|count| EventKind::Instruction { count }),
        cause.prop_map(|cause| EventKind::Shutdown { cause }),
        Just(EventKind::Interrupt),
        Just(EventKind::Exception),
        any::<(i32, i32)>().prop_map(|(result, offset)| EventKind::CharWrite { result, offset }),
        any::<i32>().prop_map(|error| EventKind::CharReadAllError { error }),
        any::<u64>().prop_map(|played| EventKind::AudioOut { played }),
    ]
}

fn any_audio() -> impl Strategy<Value = EventKind> {
    let sample = any::<(i64, i64)>().prop_map(|(left, right)| Sample { left, right });
    (any::<u64>(), any::<Option<u64>>(), vec(sample, 0..5)).prop_map(
        |(recorded, position, samples)| {
            let samples = Samples::new(samples).unwrap();
            EventKind::AudioIn(AudioIn { recorded, position, samples })
        },
    )
}
