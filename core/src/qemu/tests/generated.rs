//! Logs that are made up, in every layout: what is written is read as the same events, and written as the same bytes.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::layout::{Audio, Keys, Nesting};
use super::super::*;
use crate::event::{
    AudioIn, Checkpoint, EventData, EventKind, Input, Key, Sample, Samples, ShutdownCause,
};
use crate::limits::EVENT_BYTES_MAX;
use crate::request::RequestId;

/// An event and the checkpoint at which it was written.
type Entry = (EventKind, Option<Checkpoint>);

fn any_data() -> impl Strategy<Value = EventData> {
    vec(any::<u8>(), 0..40).prop_map(|bytes| EventData::new(bytes).unwrap())
}

fn any_key(keys: Keys) -> impl Strategy<Value = Key> {
    (any::<u64>(), any::<u32>(), any::<bool>()).prop_map(move |(number, code, by_number)| {
        match (by_number, keys) {
            (true, Keys::Qcode) => Key::Number(number),
            (false, Keys::Qcode) => Key::Qcode(code),
            (_, Keys::Linux) => Key::Linux(code),
        }
    })
}

fn any_input(keys: Keys) -> impl Strategy<Value = Input> {
    let finger = (any::<(u32, i64, i64)>(), any::<(u32, i64)>());
    prop_oneof![
        (any_key(keys), any::<bool>()).prop_map(|(key, down)| Input::Key { key, down }),
        any::<(u32, bool)>().prop_map(|(button, down)| Input::Button { button, down }),
        any::<(u32, i64)>().prop_map(|(axis, value)| Input::Relative { axis, value }),
        any::<(u32, i64)>().prop_map(|(axis, value)| Input::Absolute { axis, value }),
        finger.prop_map(|((phase, slot, tracking_id), (axis, value))| Input::MultiTouch {
            phase,
            slot,
            tracking_id,
            axis,
            value
        }),
    ]
}

fn any_sound(audio: Audio) -> impl Strategy<Value = EventKind> {
    let sample = any::<(i64, i64)>().prop_map(|(left, right)| Sample { left, right });
    (vec(sample, 0..4), any::<u64>()).prop_map(move |(samples, position)| {
        let position = match audio {
            Audio::Narrow => Some(position >> 32),
            Audio::Wide => Some(position),
            Audio::Unplaced => None,
        };
        let (recorded, samples) = (samples.len() as u64, Samples::new(samples).unwrap());
        EventKind::AudioIn(AudioIn { recorded, position, samples })
    })
}

/// Any event of a kind.
fn any_of(kind: LogKind, layout: &'static Layout) -> BoxedStrategy<EventKind> {
    let wide = layout.audio != Audio::Narrow;
    match kind {
        LogKind::Instruction => {
            (1..=i32::MAX as u64).prop_map(|count| EventKind::Instruction { count }).boxed()
        }
        LogKind::Interrupt => Just(EventKind::Interrupt).boxed(),
        LogKind::Exception => Just(EventKind::Exception).boxed(),
        LogKind::Bh => any::<u64>().prop_map(|id| EventKind::Bh { id }).boxed(),
        LogKind::BhOneshot => any::<u64>().prop_map(|id| EventKind::BhOneshot { id }).boxed(),
        LogKind::Input => any_input(layout.keys).prop_map(EventKind::Input).boxed(),
        LogKind::InputSync => Just(EventKind::InputSync).boxed(),
        LogKind::CharRead => (any::<u8>(), any_data())
            .prop_map(|(device, data)| EventKind::CharRead { device, data })
            .boxed(),
        LogKind::Block => {
            any::<u64>().prop_map(|id| EventKind::BlockId { id: RequestId(id) }).boxed()
        }
        LogKind::Net => (any::<(u8, u32)>(), any_data())
            .prop_map(|((filter, flags), frame)| EventKind::Net { filter, flags, frame })
            .boxed(),
        LogKind::ShutdownUnsaid => Just(EventKind::Shutdown { cause: ShutdownCause::None }).boxed(),
        LogKind::Shutdown(cause) => Just(EventKind::Shutdown { cause }).boxed(),
        LogKind::CharWrite => any::<(i32, i32)>()
            .prop_map(|(result, offset)| EventKind::CharWrite { result, offset })
            .boxed(),
        LogKind::CharReadAll => any_data().prop_map(|data| EventKind::CharReadAll { data }).boxed(),
        LogKind::CharReadAllError => {
            any::<i32>().prop_map(|error| EventKind::CharReadAllError { error }).boxed()
        }
        LogKind::AudioOut => any::<u64>()
            .prop_map(move |played| EventKind::AudioOut {
                played: if wide { played } else { played >> 32 },
            })
            .boxed(),
        LogKind::AudioIn => any_sound(layout.audio).boxed(),
        LogKind::Random => (any::<i32>(), any_data())
            .prop_map(|(result, data)| EventKind::Random { result, data })
            .boxed(),
        LogKind::Clock(clock) => {
            any::<i64>().prop_map(move |value| EventKind::Clock { clock, value }).boxed()
        }
        LogKind::ClockWarp => Just(EventKind::Checkpoint(Checkpoint::ClockWarpStart)).boxed(),
        LogKind::Checkpoint(checkpoint) => Just(EventKind::Checkpoint(checkpoint)).boxed(),
        LogKind::Async | LogKind::ShutdownMax | LogKind::End => unreachable!("not asked for"),
    }
}

/// The kinds of events that a log of this layout may have before its end.
fn kinds(layout: &Layout) -> Vec<LogKind> {
    let mut kinds = layout.events();
    if layout.nesting != Nesting::Flat {
        kinds.extend(layout.async_kinds());
    }
    kinds.retain(|kind| !matches!(kind, LogKind::Async | LogKind::ShutdownMax | LogKind::End));
    kinds
}

fn any_entry(layout: &'static Layout) -> impl Strategy<Value = Entry> {
    let checkpoints = layout.checkpoint_kinds();
    let checkpoints: Vec<_> = checkpoints
        .into_iter()
        .map(|kind| match kind {
            LogKind::Checkpoint(checkpoint) => checkpoint,
            _ => Checkpoint::ClockWarpStart,
        })
        .collect();
    select(kinds(layout)).prop_flat_map(move |kind| {
        let says = kind.is_async() && layout.nesting == Nesting::Checkpoint;
        let checkpoint = select(checkpoints.clone()).prop_map(move |at| says.then_some(at));
        (any_of(kind, layout), checkpoint)
    })
}

fn any_log() -> impl Strategy<Value = (&'static Layout, Vec<Entry>)> {
    (0..LAYOUTS.len()).prop_flat_map(|place| {
        let layout = &LAYOUTS[place];
        vec(any_entry(layout), 0..30).prop_map(move |entries| (layout, entries))
    })
}

/// The bytes of a log that ends in order.
fn written(layout: &'static Layout, entries: &[Entry]) -> Vec<u8> {
    let encoder = Encoder::new(layout);
    let mut bytes = encoder.header().to_vec();
    for (kind, checkpoint) in entries {
        encoder.put(kind, *checkpoint, &mut bytes).unwrap();
    }
    encoder.put(&EventKind::End { status: None }, None, &mut bytes).unwrap();
    bytes
}

/// All events of a log, and where it stops.
fn read(layout: &'static Layout, bytes: &[u8]) -> (Vec<LogEvent>, Option<Stop>) {
    let mut reader = LogReader::new(bytes, layout).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    (events, reader.stop_at().unwrap())
}

proptest! {
    #[test]
    fn a_log_of_any_layout_reads_back_as_the_same_events_and_writes_the_same_bytes(
        (layout, entries) in any_log(),
    ) {
        let bytes = written(layout, &entries);
        let (events, stop) = read(layout, &bytes);
        prop_assert_eq!(stop, None);
        let (last, before) = events.split_last().unwrap();
        prop_assert_eq!(&last.event.kind, &EventKind::End { status: None });
        let again: Vec<Entry> =
            before.iter().map(|event| (event.event.kind.clone(), event.checkpoint)).collect();
        prop_assert_eq!(&again, &entries);
        prop_assert_eq!(written(layout, &again), bytes);
        let indices: Vec<_> = events.iter().map(|event| event.index).collect();
        prop_assert_eq!(indices, (0..events.len() as u64).collect::<Vec<_>>());
    }

    #[test]
    fn the_layout_of_a_whole_log_is_among_those_that_fit(
        (layout, entries) in any_log(),
    ) {
        let bytes = written(layout, &entries);
        let survey = survey(Cursor::new(&bytes), None).unwrap();
        prop_assert_eq!(survey.stop, None);
        prop_assert!(survey.layout == layout || survey.others.contains(&layout));
        let forced = super::super::survey(Cursor::new(&bytes), Some(layout)).unwrap();
        prop_assert_eq!(forced.layout, layout);
        prop_assert_eq!(forced.tally.events, entries.len() as u64 + 1);
    }

    #[test]
    fn a_log_that_is_cut_or_hurt_is_read_up_to_one_place_by_all_who_read_it(
        (layout, entries) in any_log(),
        cut in any::<Index>(),
        hurt in proptest::option::of((any::<Index>(), any::<u8>())),
    ) {
        let mut bytes = written(layout, &entries);
        let whole = read(layout, &bytes).0;
        let length = 12 + cut.index(bytes.len() - 11);
        bytes.truncate(length);
        if let Some((place, byte)) = hurt.filter(|_| length > 12) {
            bytes[12 + place.index(length - 12)] = byte;
        }
        let (events, stop) = read(layout, &bytes);
        let scanned = super::super::survey(Cursor::new(&bytes), Some(layout)).unwrap();
        prop_assert_eq!(scanned.stop, stop);
        prop_assert_eq!(scanned.tally.events, events.len() as u64);
        let total: u64 = scanned.tally.counts.iter().map(|(_, count)| count).sum();
        prop_assert_eq!(total, scanned.tally.events);
        if hurt.is_none() {
            prop_assert_eq!(&events[..], &whole[..events.len()]);
            prop_assert_eq!(stop.is_none(), events.len() == whole.len());
        }
    }

    #[test]
    fn any_bytes_are_read_to_one_place_and_what_is_read_writes_the_same_bytes(
        place in 0..LAYOUTS.len(),
        events in vec(prop_oneof![3 => 0..45_u8, 1 => any::<u8>()], 0..200),
    ) {
        let layout = &LAYOUTS[place];
        let bytes = [&[0; 12][..], &events].concat();
        let (read, stop) = read(layout, &bytes);
        let scanned = super::super::survey(Cursor::new(&bytes), Some(layout)).unwrap();
        prop_assert_eq!(scanned.stop, stop);
        let encoder = Encoder::new(layout);
        let mut again = vec![0; 12];
        for event in &read {
            encoder.put(&event.event.kind, event.checkpoint, &mut again).unwrap();
        }
        let at = stop.map_or(bytes.len() as u64, |stop| stop.at);
        prop_assert_eq!(&again[..], &bytes[..usize::try_from(at).unwrap()]);
    }
}

fn layout(label: &str) -> &'static Layout {
    Layout::named(label).unwrap()
}

#[test]
fn what_a_layout_has_no_place_for_is_refused_and_not_written() {
    let refused = |label, kind: EventKind, checkpoint| {
        let mut out = vec![7];
        let error = Encoder::new(layout(label)).put(&kind, checkpoint, &mut out).unwrap_err();
        assert_eq!(out, [7], "{error}");
        error.to_string()
    };
    let block = EventKind::BlockId { id: RequestId(1) };
    assert_eq!(
        refused("02/v2.5", block.clone(), Some(Checkpoint::Init)),
        "layout 02/v2.5 has no place for ASYNC_BLOCK"
    );
    assert!(refused("0a/v5.1", block.clone(), None).contains("says the checkpoint"));
    let controller = Some(Checkpoint::Controller);
    assert!(refused("0a/v5.1", block, controller).contains("no place for controller"));
    let count = EventKind::Instruction { count: 1 << 32 };
    assert!(refused("0c/v8.0", count, None).contains("does not fit into 32 bits"));
    let played = EventKind::AudioOut { played: 1 << 32 };
    assert!(refused("07/v4.0", played, None).contains("does not fit into 32 bits"));
    let linux = EventKind::Input(Input::Key { key: Key::Linux(30), down: true });
    assert!(refused("0d/v11", linux, None).contains("no place for a key that is named this way"));
    let mark = EventKind::Open { device: crate::request::DeviceId(0) };
    assert_eq!(refused("0e/v11.1", mark, None), "layout 0e/v11.1 has no place for open");
    let audio = |position, recorded| {
        let samples = Samples::new(vec![Sample::default()]).unwrap();
        EventKind::AudioIn(AudioIn { recorded, position, samples })
    };
    assert!(refused("0d/v11", audio(Some(3), 1), None).contains("the place of sound"));
    assert!(refused("0c/v8.0", audio(None, 1), None).contains("without a place"));
    assert_eq!(refused("0c/v8.0", audio(Some(0), 2), None), "1 samples of 2 that were recorded");
}

#[test]
fn bytes_that_are_no_event_are_told_with_their_place() {
    // An event of 9 bytes and 100 instructions come before.
    let clock = [&[28][..], &[0; 8]].concat();
    let before = [&[0, 0xe0, 0x20, 0x0c][..], &[0; 8], &clock, &[0, 0, 0, 0, 100]].concat();
    let stop = |label, events: &[u8]| {
        let bytes = [&before[..], events].concat();
        let (_, stop) = read(layout(label), &bytes);
        stop.unwrap().to_string()
    };
    let at = "byte 26, event 2, 100 instructions in: ";
    let modern = |events: &[u8]| stop("0c/v8.0", events).strip_prefix(at).unwrap().to_owned();
    assert_eq!(modern(&[40]), "no event has the number 40");
    assert_eq!(modern(&[21]), "no event has the number 21", "QEMU never writes it");
    assert_eq!(modern(&[]), "the log ends without an end event");
    assert_eq!(modern(&[8, 0, 0]), "the log ends inside an event, of which 3 bytes are there");
    assert_eq!(modern(&[5, 0, 0, 0, 9]), "no kind of input has the number 9");
    assert_eq!(modern(&[5, 0, 0, 0, 0, 0, 0, 0, 2]), "no way to name a key has the number 2");
    let button = [5, 0, 0, 0, 1, 0, 0, 0, 0, 3];
    assert_eq!(modern(&button), "a byte that says yes or no is 3, not 0 or 1");
    let long = [23, 0, 0x10, 0, 1];
    assert!(modern(&long).starts_with("an event of 1048577 bytes of data"));
    let endless = [&[26, 0xff, 0, 0, 0, 0, 0, 0, 0][..], &[0; 8]].concat();
    assert!(modern(&endless).contains("at most 1048576 are read"));
    assert_eq!(
        stop("0c/v8.0", &[39, 1, 2]),
        "byte 27, event 3, 100 instructions in: 2 bytes follow the end event"
    );
    // The layout of 5.1 has other numbers; there the clock is 21, and the count is the second event, too.
    let old = [&before[..12], &[21], &[0; 8], &[0, 0, 0, 0, 100]].concat();
    let stop = |events: &[u8]| {
        let bytes = [&old[..], events].concat();
        read(layout("0a/v5.1"), &bytes).1.unwrap().to_string()
    };
    assert_eq!(stop(&[3, 9, 0]), format!("{at}no checkpoint has the number 9"));
    assert_eq!(stop(&[3, 5, 7]), format!("{at}no asynchronous event has the number 7"));
}

#[test]
fn the_largest_data_are_read_whole_and_those_after_them_too() {
    let data = EventData::new(vec![5; EVENT_BYTES_MAX]).unwrap();
    let large = (EventKind::CharReadAll { data }, None);
    let entries = [large.clone(), large, (EventKind::Interrupt, None)];
    let bytes = written(layout("0c/v8.0"), &entries);
    let (events, stop) = read(layout("0c/v8.0"), &bytes);
    assert_eq!((events.len(), stop), (4, None));
    let survey = survey(Cursor::new(&bytes), None).unwrap();
    assert_eq!((survey.layout.label, survey.stop), ("0c/v8.0", None));
}

#[test]
fn a_file_too_short_for_a_header_is_no_log() {
    for length in 0..HEADER_BYTES {
        let short = &[0; HEADER_BYTES][..length];
        let error = survey(Cursor::new(short), None).unwrap_err();
        assert!(matches!(error, LogError::Short { found } if found == length), "{error}");
    }
}

#[test]
fn a_log_under_the_version_of_another_is_read_by_what_fits() {
    let entries = [
        (EventKind::Checkpoint(Checkpoint::Init), None),
        (EventKind::BlockId { id: RequestId(3) }, Some(Checkpoint::ClockHost)),
        (EventKind::Random { result: 0, data: EventData::default() }, None),
    ];
    let mut bytes = written(layout("0a/v5.1"), &entries);
    bytes[3] = 0x0c;
    let survey = survey(Cursor::new(&bytes), None).unwrap();
    assert_eq!((survey.layout.label, survey.choice), ("0a/v5.1", Choice::Against));
    assert_eq!(survey.stop, None);
    let others: Vec<_> = survey.others.iter().map(|layout| layout.label).collect();
    assert_eq!(others, ["09/v5.0"], "which has the same table");
}

#[test]
fn ways_to_find_a_layout_have_names() {
    for (place, (choice, name)) in Choice::NAMES.into_iter().enumerate() {
        assert_eq!((choice as usize, choice.name()), (place, name));
    }
}

#[test]
fn a_log_is_known_by_its_version_or_without_one_by_its_first_events() {
    let entries = [
        (EventKind::Checkpoint(Checkpoint::Init), None),
        (EventKind::Instruction { count: 7 }, None),
    ];
    for layout in &LAYOUTS {
        let mut bytes = written(layout, &entries);
        assert!(is_log(&bytes), "{}", layout.label);
        bytes[..12].fill(0);
        assert!(is_log(&bytes), "{} without a version", layout.label);
        assert!(is_log(&bytes[..15]), "{} that was killed at once", layout.label);
    }
    for start in [
        &b""[..],
        &[0; 11],
        &[0; 12],
        &[0; 512],
        &vec![0; START_BYTES],
        b"QFI\xfb\0\0\0\x03\0\0\0\0",
    ] {
        assert!(!is_log(start), "{} bytes", start.len());
    }
    let image = [&[0; 12][..], b"a disk whose first bytes are zeroes"].concat();
    assert!(!is_log(&image));
}
