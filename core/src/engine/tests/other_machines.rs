//! Machines that do not do what they did when they were recorded: each divergence by its name.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::clients::{read, write};
use super::machines::*;
use super::monitors::*;
use super::*;
use crate::event::ClockKind;

#[test]
fn a_value_where_the_log_has_something_else_is_unexpected() {
    let mut again = Again::new(&recorded());
    again.monitor().executed(5);
    stopped(&again.monitor().random(&mut [0; 4], |_| panic!("nobody draws")));
    let divergence = again.divergence();
    assert_eq!(divergence.mismatch, MonitorMismatch::Unexpected);
    let clock = EventKind::Clock { clock: ClockKind::Host, value: 100 };
    assert_eq!(divergence.expected, Some(clock));
    assert_eq!(divergence.came, Some(MonitorAct::Random { bytes: 4 }));
    stopped(&again.monitor().checkpoint(VIRTUAL));
    stopped(&again.monitor().next_due());
    stopped(&again.monitor().next_recorded());
}

#[track_caller]
fn check_changed(
    act: impl FnOnce(&mut Monitor) -> Result<(), MonitorError>,
    fields: &[MonitorField],
) {
    let mut again = Again::new(&recorded());
    stopped(&act(again.monitor()));
    let mismatch = MonitorMismatch::Changed { fields: fields.to_vec() };
    assert_eq!(again.divergence().mismatch, mismatch);
}

#[test]
fn what_is_done_otherwise_is_a_change_of_the_fields_that_differ() {
    let read = |which| move |monitor: &mut Monitor| monitor.clock(which, || 0).map(drop);
    check_changed(read(ClockKind::Host), &[MonitorField::Instructions]);
    let both = [MonitorField::Clock, MonitorField::Instructions];
    check_changed(read(ClockKind::VirtualRt), &both);
    let then = |which| {
        move |monitor: &mut Monitor| {
            monitor.executed(5);
            clock(monitor, 0).unwrap();
            monitor.executed(6);
            monitor.checkpoint(which)
        }
    };
    check_changed(then(Checkpoint::Reset), &[MonitorField::Checkpoint]);
}

#[test]
fn more_random_bytes_than_were_drawn_are_a_change_of_length() {
    let mut machine = Machine::recorded();
    machine.monitor.random(&mut [0; 4], |_| 0).unwrap();
    let mut again = Again::new(&machine.end());
    stopped(&again.monitor().random(&mut [0; 5], |_| 0));
    let mismatch = MonitorMismatch::Changed { fields: vec![MonitorField::Length] };
    assert_eq!(again.divergence().mismatch, mismatch);
}

#[test]
fn what_a_machine_does_behind_the_end_of_the_log_is_unexpected() {
    let mut again = Again::new(&Machine::recorded().end());
    assert_eq!(again.monitor().next_recorded().unwrap(), None);
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotNext);
    stopped(&again.monitor().checkpoint(VIRTUAL));
    let divergence = again.divergence();
    assert_eq!(divergence.mismatch, MonitorMismatch::Unexpected);
    assert_eq!(divergence.expected, None);
}

#[test]
fn a_machine_that_leaves_before_the_log_ends_misses_something() {
    let mut again = Again::new(&recorded());
    again.monitor().executed(5);
    clock(again.monitor(), 0).unwrap();
    again.leave();
    let divergence = again.divergence();
    assert_eq!(divergence.mismatch, MonitorMismatch::Missing { waited: Nanos(0) });
    assert_eq!(divergence.expected, Some(EventKind::Checkpoint(VIRTUAL)));
    assert_eq!(divergence.came, None);
}

#[test]
fn a_bottom_half_that_was_never_queued_is_missing_after_patience() {
    let mut again = Again::new(&recorded());
    up_to_the_checkpoint(&mut again);
    assert_eq!(name(&again.monitor().next_due().unwrap().unwrap()), "bh 1");
    clock(again.monitor(), 0).unwrap();
    for expected in ["input", "request 11", "request 10"] {
        assert_eq!(name(&again.monitor().next_due().unwrap().unwrap()), expected);
    }
    again.replay.clock.run(3_000_000_000);
    stopped(&again.monitor().next_due());
    let divergence = again.divergence();
    let MonitorMismatch::Missing { waited } = divergence.mismatch else { panic!("{divergence:?}") };
    assert!(waited > Duration::from_secs(10).into(), "{waited}");
    assert_eq!(divergence.expected, Some(EventKind::Bh { id: 2 }));
}

#[test]
fn a_request_that_was_not_issued_before_a_checkpoint_is_missing() {
    let mut again = Again::new(&recorded());
    again.monitor().executed(5);
    clock(again.monitor(), 0).unwrap();
    again.issue(vec![read(10, 0, 4)]);
    again.device.complete(0, Ok(()));
    again.monitor().executed(6);
    again.replay.clock.run(3_000_000_000);
    stopped(&again.monitor().checkpoint(VIRTUAL));
    let replayed = again.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert!(matches!(divergence.kind, DivergenceKind::Missing { clients_gone: false, .. }));
    assert_eq!(divergence.expected.unwrap().id, Some(RequestId(1)));
}

#[test]
fn a_machine_that_only_tries_misses_what_it_never_does() {
    let mut again = Again::new(&recorded());
    for second in [0, 10] {
        again.replay.clock.set(second * 1_000_000_000);
        assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotNext);
    }
    again.replay.clock.set(10_000_000_001);
    again.replay.turn();
    stopped(&again.monitor().try_checkpoint(VIRTUAL));
    assert_eq!(again.replay.kinds(), ["missing"]);
}

#[test]
fn an_image_that_never_answers_a_machine_is_trouble_with_a_name() {
    let mut again = Again::new(&recorded());
    again.monitor().executed(5);
    clock(again.monitor(), 0).unwrap();
    again.issue(vec![read(10, 0, 4), write(11, 512, b"data")]);
    again.monitor().executed(6);
    again.replay.clock.run(3_000_000_000);
    stopped(&again.monitor().checkpoint(VIRTUAL));
    again.replay.clock.run(0);
    again.device.complete(0, Ok(()));
    again.device.complete(1, Ok(()));
    again.leave();
    let outcome = again.replay.player.run(&AtomicBool::new(false), &mut |_| {});
    assert!(matches!(outcome, Err(ReplayError::Silent { .. })), "{outcome:?}");
}

#[test]
fn a_request_that_the_recording_has_only_behind_another_act_is_a_change_and_not_early() {
    let mut machine = Machine::recorded();
    for offset in [0, 512] {
        machine.issue(vec![read(offset, offset, 4)]);
        clock(&mut machine.monitor, 1).unwrap();
        machine.device.complete(offset / 512, Ok(()));
    }
    machine.pass();
    let mut again = Again::new(&machine.end());
    again.issue(vec![read(10, 512, 4)]);
    let replayed = again.replay.replayed();
    let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
    assert_eq!(divergence.kind, DivergenceKind::Changed { fields: vec![AskedField::Offset] });
    stopped(&clock(again.monitor(), 1));
}

#[test]
fn a_log_that_nobody_reads_is_trouble_and_no_wait_without_end() {
    let bytes = recorded();
    let replay = Replay::new(&bytes, Rules::of(Source::Monitor), vec![Parked::new(1 << 20)]);
    let mut monitor = Monitor::new(&replay.engine).unwrap();
    replay.clock.run(3_000_000_000);
    stopped(&clock(&mut monitor, 0));
    drop(monitor);
    replay.clock.run(0);
    replay.engine.no_more_clients();
    let outcome = replay.player.run(&AtomicBool::new(false), &mut |_| {});
    assert!(matches!(outcome, Err(ReplayError::LogSilent { .. })), "{outcome:?}");
}

#[test]
#[should_panic(expected = "run before the next one is passed")]
fn a_monitor_that_leaves_events_lying_is_wrong_code() {
    let mut machine = Machine::recorded();
    machine.monitor.queue(bh(1)).unwrap();
    machine.monitor.checkpoint(VIRTUAL).unwrap();
    let _ = machine.monitor.checkpoint(VIRTUAL);
}
