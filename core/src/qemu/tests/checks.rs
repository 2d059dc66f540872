//! Logs that are made to be wrong, checked; and what `recover` makes of every log that is cut or hurt.

use std::io::Cursor;
use std::ops::ControlFlow;

use crate::event::{Checkpoint, ClockKind, EventData, EventKind, ShutdownCause};
use crate::format::Level;
use crate::qemu::*;
use crate::request::RequestId;

/// The layouts that most tests are made in: events released at one place only, and each saying its own.
const NEW: &str = "0c/v8.0";
const OLD: &str = "0a/v5.1";

/// A log of these events in a layout.
fn log(label: &str, kinds: &[EventKind]) -> Vec<u8> {
    let encoder = Encoder::new(Layout::named(label).unwrap());
    let mut bytes = encoder.header().to_vec();
    let mut last = None;
    for kind in kinds {
        if let EventKind::Checkpoint(checkpoint) = kind {
            last = Some(*checkpoint);
        }
        encoder.put(kind, last, &mut bytes).unwrap();
    }
    bytes
}

/// What is found.
#[derive(Default)]
struct Found(Vec<LogFinding>);

impl LogInspector for Found {
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
        assert!(!finding.fault.hint().is_empty() && !finding.fault.to_string().is_empty());
        self.0.push(finding);
        ControlFlow::Continue(())
    }

    fn read(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of);
        ControlFlow::Continue(())
    }
}

fn checked(log: &[u8]) -> (LogChecked, Vec<LogFinding>) {
    let mut found = Found::default();
    let checked = check(Cursor::new(log), None, &mut found).unwrap();
    let faults = found.0.iter().filter(|one| one.fault.level() == Level::Fault).count() as u64;
    assert_eq!((checked.faults, checked.faults + checked.notes), (faults, found.0.len() as u64));
    (checked, found.0)
}

/// Codes and indices of events of what is found.
fn codes(log: &[u8]) -> Vec<(&'static str, u64)> {
    checked(log).1.iter().map(|one| (one.fault.code(), one.place.event)).collect()
}

fn checkpoint(which: Checkpoint) -> EventKind {
    EventKind::Checkpoint(which)
}

fn block(id: u64) -> EventKind {
    EventKind::BlockId { id: RequestId(id) }
}

fn clock(clock: ClockKind, value: i64) -> EventKind {
    EventKind::Clock { clock, value }
}

const INIT: EventKind = EventKind::Checkpoint(Checkpoint::Init);
const RESET: EventKind = EventKind::Checkpoint(Checkpoint::Reset);
const RELEASED: EventKind = EventKind::Checkpoint(Checkpoint::ClockWarpAccount);
const GUEST: EventKind = EventKind::Shutdown { cause: ShutdownCause::GuestShutdown };
const SIGNAL: EventKind = EventKind::Shutdown { cause: ShutdownCause::HostSignal };
const END: EventKind = EventKind::End { status: None };

/// A machine's life around these events.
fn life(middle: &[EventKind]) -> Vec<EventKind> {
    let begin = [INIT, RESET, RELEASED, block(0), RELEASED];
    begin.iter().chain(middle).chain(&[GUEST, SIGNAL, END]).cloned().collect()
}

#[test]
fn a_log_as_qemu_writes_it_has_no_fault() {
    for label in [NEW, OLD] {
        let blocks =
            [block(2), block(1), RELEASED, clock(ClockKind::Host, 5), clock(ClockKind::Host, 5)];
        assert_eq!(codes(&log(label, &life(&blocks))), [], "{label}");
    }
}

#[test]
fn requests_that_come_twice_or_never_are_named() {
    let twice = log(NEW, &life(&[block(1), block(0), RELEASED]));
    assert_eq!(codes(&twice), [("block-twice", 6)]);
    let missing = log(NEW, &life(&[block(3), block(5), block(4), block(9), RELEASED]));
    assert_eq!(codes(&missing), [("block-missing", 5), ("block-missing", 8)]);
    let texts: Vec<_> = checked(&missing).1.iter().map(|one| one.fault.to_string()).collect();
    let expected = [
        "requests 1 to 2 are never completed, and request 3 is",
        "requests 6 to 8 are never completed, and request 9 is",
    ];
    assert_eq!(texts, expected);
    let most = log(NEW, &life(&[block(u64::MAX), RELEASED]));
    assert_eq!(codes(&most), [("block-missing", 5)]);
}

#[test]
fn a_clock_that_goes_back_is_a_fault_unless_people_set_it() {
    let back = |kind| log(NEW, &life(&[clock(kind, 7), clock(kind, 6)]));
    for (kind, level) in [(ClockKind::VirtualRt, Level::Fault), (ClockKind::Host, Level::Note)] {
        let found = checked(&back(kind)).1;
        assert_eq!((found.len(), found[0].fault.code()), (1, "clock-backwards"));
        assert_eq!((found[0].fault.level(), found[0].place.event), (level, 6));
    }
}

#[test]
fn checkpoints_that_cannot_follow_each_other_are_named() {
    let virtual_clock = checkpoint(Checkpoint::ClockVirtual);
    // What was queued is written before one checkpoint only.
    let wrong = log(NEW, &life(&[block(1), virtual_clock.clone(), RELEASED]));
    assert_eq!(codes(&wrong), [("checkpoint", 6)]);
    let old = log(OLD, &life(&[virtual_clock.clone(), block(1), virtual_clock]));
    assert_eq!(codes(&old), []);
    assert_eq!(codes(&log(NEW, &life(&[RESET, INIT]))), [("checkpoint", 5), ("checkpoint", 6)]);
    let unborn = log(NEW, &[RELEASED, block(0), RELEASED, GUEST, SIGNAL, END]);
    assert_eq!(codes(&unborn), [("checkpoint", 0)]);
}

#[test]
fn an_event_that_no_replay_delivers_is_named() {
    let layout = Layout::named(OLD).unwrap();
    let encoder = Encoder::new(layout);
    let mut bytes = log(OLD, &[INIT, RESET, RELEASED]);
    encoder.put(&block(0), Some(Checkpoint::ClockHost), &mut bytes).unwrap();
    for kind in [GUEST, SIGNAL, END] {
        encoder.put(&kind, None, &mut bytes).unwrap();
    }
    assert_eq!(codes(&bytes), [("async-place", 3)]);
}

#[test]
fn a_bottom_half_of_an_instruction_to_come_is_named() {
    let put_off = |id| [EventKind::Instruction { count: 7 }, EventKind::BhOneshot { id }, RELEASED];
    assert_eq!(codes(&log(NEW, &life(&put_off(7)))), []);
    assert_eq!(codes(&log(NEW, &life(&put_off(8)))), [("bottom-half", 6)]);
}

#[test]
fn a_recorder_that_never_releases_anything_is_named() {
    let hung =
        [INIT, RESET, checkpoint(Checkpoint::ClockVirtual), checkpoint(Checkpoint::ClockHost)];
    let killed = log(NEW, &hung);
    assert_eq!(codes(&killed), [("never-released", 3), ("no-end", 4)]);
    assert_eq!(codes(&log(OLD, &hung)), [("no-end", 4)], "there each checkpoint releases");
}

#[test]
fn what_is_only_to_be_known_is_a_note() {
    let no_disk = log(NEW, &[INIT, RESET, RELEASED, GUEST, SIGNAL, END]);
    assert_eq!(codes(&no_disk), [("no-block", 5)]);
    let by_signal = log(NEW, &[INIT, RESET, RELEASED, block(0), RELEASED, SIGNAL, END]);
    assert_eq!(codes(&by_signal), [("ended-by-signal", 6)]);
    let mut longer = log(NEW, &life(&[]));
    longer.extend([7; 3]);
    assert_eq!(codes(&longer), [("trailing", 8)]);
    longer[5] = 1;
    assert_eq!(codes(&longer), [("reserved", 0), ("trailing", 8)]);
    for log in [no_disk, by_signal, longer] {
        assert_eq!(checked(&log).0.faults, 0);
    }
}

#[test]
fn a_version_that_is_missing_unknown_or_another_is_a_fault() {
    let mut log = log(NEW, &life(&[]));
    let version =
        |log: &mut Vec<u8>, version: u32| log[..4].copy_from_slice(&version.to_be_bytes());
    version(&mut log, 0);
    assert_eq!(codes(&log), [("no-version", 0)]);
    version(&mut log, 0x00e0_20ff);
    assert_eq!(codes(&log), [("version", 0)]);
    version(&mut log, 0x00e0_2002);
    assert_eq!(codes(&log), [("layout", 0)]);
}

#[test]
fn an_event_that_counts_nothing_is_a_fault() {
    for count in [0, 1 << 31] {
        let log = log(NEW, &life(&[EventKind::Instruction { count }]));
        assert_eq!(codes(&log), [("instructions", 5)]);
    }
}

fn recovered(bytes: &[u8]) -> Result<(Vec<u8>, LogRecovery), RecoverLogError> {
    let mut out = Vec::new();
    let mut told = 0;
    let recovery = recover(Cursor::new(bytes), &mut out, None, &mut |done, of| {
        assert!(told < done && done <= of);
        told = done;
        ControlFlow::Continue(())
    })?;
    assert_eq!(recovery.bytes, out.len() as u64);
    Ok((out, recovery))
}

#[test]
fn a_whole_log_is_copied() {
    let log = log(NEW, &life(&[block(1), RELEASED]));
    let (out, recovery) = recovered(&log).unwrap();
    assert!(out == log && recovery.was_whole() && !recovery.lost_something());
    let mut longer = log.clone();
    longer.extend([7; 3]);
    let (out, recovery) = recovered(&longer).unwrap();
    assert!(out == log && !recovery.lost_something());
    assert_eq!((recovery.bytes_lost, recovery.ended), (3, false));
}

#[test]
fn what_is_left_of_a_log_that_was_cut_anywhere_is_one_that_qemu_replays() {
    for label in LAYOUTS.iter().map(|layout| layout.label) {
        let layout = Layout::named(label).unwrap();
        // Early layouts do not say why a machine goes down.
        let unsaid = layout.events().contains(&LogKind::ShutdownUnsaid);
        let cause = if unsaid { ShutdownCause::None } else { ShutdownCause::GuestShutdown };
        let events = [
            EventKind::Instruction { count: 7 },
            clock(ClockKind::Host, 5),
            checkpoint(Checkpoint::ClockVirtual),
            EventKind::Bh { id: 3 },
            checkpoint(Checkpoint::ClockHost),
            EventKind::Interrupt,
            EventKind::Instruction { count: 9 },
            EventKind::Shutdown { cause },
            END,
        ];
        let whole = log(label, &events);
        for length in 0..whole.len() {
            let mut cut = whole[..length].to_vec();
            for version in [true, false] {
                if !version && length >= 4 {
                    cut[..4].fill(0);
                }
                let forced = Some(layout);
                let mut out = Vec::new();
                let outcome = recover(Cursor::new(&cut), &mut out, forced, &mut |_, _| {
                    ControlFlow::Continue(())
                });
                let Ok(recovery) = outcome else {
                    assert!(length < 17, "{label}: {length} bytes: {outcome:?}");
                    continue;
                };
                let survey = survey(Cursor::new(&out), forced).unwrap();
                assert_eq!(survey.stop, None, "{label}, {length} bytes");
                assert_eq!(survey.header.version, layout.version);
                assert_eq!(survey.tally.events, recovery.kept.events + 2);
                assert_eq!(survey.tally.icount, recovery.kept.icount);
                assert!(recovery.events_dropped() <= recovery.survey.tally.events);
                assert!(
                    recovery.lost_something() && out.starts_with(&layout.version.to_be_bytes())
                );
            }
        }
    }
}

#[test]
fn a_recovered_log_ends_where_nothing_needs_what_is_lost() {
    let count = |count| EventKind::Instruction { count };
    let print = EventKind::CharWrite { result: 1, offset: 1 };
    let random = EventKind::Random { result: 0, data: EventData::new(vec![7; 4]).unwrap() };
    let start = [INIT, RESET, count(5), RELEASED];
    // Behind `start`: what is whole, and how many events of all are kept.
    for (behind, kept) in [
        (&[][..], 4),
        // The guest would come to what the count leads to.
        (&[count(7)][..], 4),
        // One instruction may bring more.
        (&[count(7), print.clone()], 4),
        (&[count(7), print.clone(), print.clone(), random.clone()], 4),
        // It brought no more: the next was counted, or the processor's thread went round.
        (&[count(7), print.clone(), count(9)], 6),
        (&[count(7), print.clone(), RELEASED], 7),
        (&[count(7), print.clone(), RELEASED, block(0)], 7),
        // So may what was queued, and what a timer does.
        (&[block(0), random.clone()], 4),
        (&[block(0), random.clone(), RELEASED, checkpoint(Checkpoint::ClockVirtual)], 7),
        // Nothing comes behind that.
        (&[count(7), GUEST], 6),
        (&[count(7), GUEST, clock(ClockKind::Host, 5), SIGNAL], 8),
    ] {
        let events = [&start[..], behind].concat();
        let (out, recovery) = recovered(&log(NEW, &events)).unwrap();
        assert_eq!(recovery.kept.events, kept, "{behind:?}");
        assert_eq!(recovery.events_dropped(), events.len() as u64 - kept);
        let kept = usize::try_from(kept).unwrap();
        let whole = [&events[..kept], &[SIGNAL, END]].concat();
        assert!(out == log(NEW, &whole), "{behind:?}");
        let faults = checked(&out).1.into_iter().filter(|one| one.fault.level() == Level::Fault);
        assert_eq!(faults.map(|one| one.fault).collect::<Vec<_>>(), [], "{behind:?}");
    }
}

#[test]
fn a_log_of_a_machine_that_did_nothing_yet_is_kept_as_far_as_it_is_whole() {
    let events = [clock(ClockKind::Host, 5), INIT, clock(ClockKind::Host, 6)];
    let (out, recovery) = recovered(&log(NEW, &events)).unwrap();
    assert_eq!((recovery.kept.events, recovery.events_dropped()), (3, 0));
    assert!(out == log(NEW, &[&events[..], &[SIGNAL, END]].concat()));
}

#[test]
fn whatever_byte_is_another_a_log_is_checked_and_recovered() {
    let whole = log(
        NEW,
        &life(&[
            block(1),
            EventKind::Instruction { count: 9 },
            RELEASED,
            clock(ClockKind::Host, 5),
        ]),
    );
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut hurt = whole.clone();
            hurt[place] ^= 1 << bit;
            let (one, _) = checked(&hurt);
            match recovered(&hurt) {
                Ok((out, recovery)) => {
                    assert_eq!(recovery.survey, one.survey);
                    let survey = survey(Cursor::new(&out), Some(one.survey.layout)).unwrap();
                    assert_eq!(
                        (survey.stop, survey.header.reserved),
                        (None, 0),
                        "byte {place}, bit {bit}"
                    );
                }
                Err(error) => assert!(matches!(error, RecoverLogError::Empty), "{error}"),
            }
        }
    }
}
