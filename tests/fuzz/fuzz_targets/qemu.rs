//! The target that takes logs of QEMU, in every layout.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::io::Cursor;

use blkreplay_core::event::{Checkpoint, ClockKind, EventData, EventKind, Input, Key};
use blkreplay_core::qemu::{self, Encoder, LAYOUTS, LogReader};
use blkreplay_core::request::RequestId;

/// All who read a log stop at the same byte, and what they read writes the same bytes.
pub(crate) fn log(input: &[u8]) {
    let Ok(tried) = qemu::survey(Cursor::new(input), None) else { return };
    assert!(tried.tally.bytes <= input.len() as u64);
    for layout in &LAYOUTS {
        let survey = qemu::survey(Cursor::new(input), Some(layout)).expect("it has a header");
        let encoder = Encoder::new(layout);
        let mut reader = LogReader::new(input, layout).expect("it has a header");
        let mut events = 0;
        let mut again = input[..12].to_vec();
        while let Some(event) = reader.next_event().expect("memory can be read") {
            assert_eq!((event.index, event.at), (events, again.len() as u64));
            let put = encoder.put(&event.event.kind, event.checkpoint, &mut again);
            put.expect("what is read can be written");
            events += 1;
        }
        assert_eq!(reader.stop_at().expect("memory can be read"), survey.stop);
        assert_eq!((events, again.len() as u64), (survey.tally.events, survey.tally.bytes));
        assert!(input.starts_with(&again));
    }
}

/// A short log in each layout, with whatever of these events it has a place for.
pub(crate) fn log_seeds() -> Vec<Vec<u8>> {
    let data = || EventData::new(vec![7; 3]).expect("it is short");
    let keys = [Key::Number(30), Key::Qcode(38), Key::Linux(30)];
    let mut events = vec![
        EventKind::Checkpoint(Checkpoint::Init),
        EventKind::Clock { clock: ClockKind::Host, value: -1 },
        EventKind::Instruction { count: 1000 },
        EventKind::Bh { id: 1000 },
        EventKind::BlockId { id: RequestId(0) },
        EventKind::CharRead { device: 0, data: data() },
        EventKind::Net { filter: 0, flags: 0, frame: data() },
        EventKind::Random { result: 0, data: data() },
        EventKind::InputSync,
    ];
    events.extend(keys.map(|key| EventKind::Input(Input::Key { key, down: true })));
    events.push(EventKind::End { status: None });
    let seed = |layout| {
        let encoder = Encoder::new(layout);
        let mut bytes = encoder.header().to_vec();
        for kind in &events {
            // What the layout has no place for is left out.
            let _ = encoder.put(kind, Some(Checkpoint::ClockHost), &mut bytes);
        }
        bytes
    };
    LAYOUTS.iter().map(seed).collect()
}
