//! The target that takes logs of QEMU, in every layout.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::io::Cursor;
use std::ops::ControlFlow;

use blkreplay_core::event::{Checkpoint, ClockKind, EventData, EventKind, Input, Key};
use blkreplay_core::qemu::{
    self, Encoder, LAYOUTS, LogFinding, LogInspector, LogReader, RecoverLogError, Survey,
};
use blkreplay_core::request::RequestId;

/// All who read a log stop at the same byte, and what they read writes the same bytes.
pub(crate) fn log(input: &[u8]) {
    let Ok(tried) = qemu::survey(Cursor::new(input), None) else { return };
    assert!(tried.tally.bytes <= input.len() as u64);
    check_and_recover(input, &tried);
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

/// Takes what is found, and knows nothing of it.
struct Heard(u64);

impl LogInspector for Heard {
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
        assert!(!finding.fault.to_string().is_empty() && !finding.fault.hint().is_empty());
        self.0 += 1;
        ControlFlow::Continue(())
    }

    fn read(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of);
        ControlFlow::Continue(())
    }
}

/// A check reads as far as a survey, and what is recovered is whole in the same layout, with all events.
fn check_and_recover(input: &[u8], tried: &Survey) {
    let mut heard = Heard(0);
    let checked = qemu::check(Cursor::new(input), None, &mut heard).expect("it has a header");
    assert_eq!((&checked.survey, checked.faults + checked.notes), (tried, heard.0));
    assert!(checked.faults > 0 || tried.stop.is_none_or(|stop| !stop.is_loss()));
    let mut out = Vec::new();
    let on = &mut |_, _| ControlFlow::Continue(());
    let recovery = match qemu::recover(Cursor::new(input), &mut out, None, on) {
        Ok(recovery) => recovery,
        Err(error) => {
            assert!(matches!(error, RecoverLogError::Empty) && tried.tally.events == 0);
            return;
        }
    };
    let again = qemu::survey(Cursor::new(&out), Some(tried.layout)).expect("it has a header");
    assert_eq!((again.stop, again.header.reserved), (None, 0));
    let (kept, added) = (recovery.kept, 2 * u64::from(recovery.ended));
    assert_eq!((again.tally.events, again.tally.icount), (kept.events + added, kept.icount));
    assert_eq!(recovery.events_dropped(), tried.tally.events - kept.events);
    assert!(recovery.ended || kept.events == tried.tally.events);
    assert!(out[12..].starts_with(&input[12..usize::try_from(kept.end).unwrap_or(12)]));
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
