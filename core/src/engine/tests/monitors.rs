//! Monitors that are replayed: they get from the log what they got from the world, or are told where they differ.

use super::clients::{read, write};
use super::machines::*;
use super::*;
use crate::event::{ClockKind, EventData, ShutdownCause};

/// A replay of a monitor with a disk of 1 MiB. The log has been read.
pub(super) struct Again {
    pub(super) replay: Replay,
    pub(super) device: Arc<Parked>,
    monitor: Option<Monitor>,
}

impl Again {
    pub(super) fn new(bytes: &[u8]) -> Again {
        Again::by(bytes, Rules::of(Source::Monitor))
    }

    fn by(bytes: &[u8], rules: Rules) -> Again {
        let device = Parked::new(1 << 20);
        let mut replay = Replay::new(bytes, rules, vec![device.clone()]);
        let mut monitor = Monitor::new(&replay.engine).unwrap();
        monitor.connect(&replay.disks[0]).unwrap();
        replay.turn();
        Again { replay, device, monitor: Some(monitor) }
    }

    pub(super) fn monitor(&mut self) -> &mut Monitor {
        self.monitor.as_mut().unwrap()
    }

    pub(super) fn issue(&mut self, mut arrivals: Vec<Arrival>) {
        self.monitor().issue(DeviceId(0), &mut arrivals);
        // What the conductor lets go waits for its port.
        self.monitor().wait(std::time::Duration::ZERO);
        self.replay.turn();
    }

    fn pass(&mut self) -> Vec<String> {
        self.monitor().checkpoint(VIRTUAL).unwrap();
        due(self.monitor())
    }

    pub(super) fn leave(&mut self) {
        self.monitor = None;
        self.replay.engine.no_more_clients();
        self.replay.turn();
    }

    /// The machine does no more; all went as it was recorded. The events of the replay's own log.
    pub(super) fn end_well(mut self) -> Vec<String> {
        self.leave();
        assert_eq!(self.replay.replayed().divergences, []);
        assert!(self.replay.engine.replay_ended());
        assert!(!self.replay.replayed().cut);
        self.replay.engine.finish(None).unwrap().unwrap();
        let bytes = self.replay.log.0.lock().unwrap().clone();
        events_of(&bytes)
    }

    /// The one divergence, which is the monitor's.
    pub(super) fn divergence(&self) -> MonitorDivergence {
        let replayed = self.replay.replayed();
        let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
        let DivergenceKind::Monitor(monitor) = &divergence.kind else { panic!("{divergence:?}") };
        assert_eq!(divergence.kind.name(), monitor.mismatch.name());
        (**monitor).clone()
    }
}

pub(super) fn clock(monitor: &mut Monitor, value: i64) -> Result<i64, MonitorError> {
    monitor.clock(ClockKind::Host, || value)
}

#[track_caller]
pub(super) fn stopped<T: std::fmt::Debug>(outcome: &Result<T, MonitorError>) {
    assert!(matches!(outcome, Err(MonitorError::Stopped)), "{outcome:?}");
}

/// A read and a write, a bottom half that runs another one and reads the clock, something from the world.
pub(super) fn recorded() -> Vec<u8> {
    let mut machine = Machine::recorded();
    machine.monitor.executed(5);
    clock(&mut machine.monitor, 100).unwrap();
    machine.issue(vec![read(10, 0, 4), write(11, 512, b"data")]);
    machine.monitor.queue(bh(1)).unwrap();
    machine.engine.queue(key()).unwrap();
    machine.device.complete(1, Ok(()));
    machine.device.complete(0, Ok(()));
    machine.monitor.executed(6);
    machine.monitor.checkpoint(VIRTUAL).unwrap();
    assert_eq!(name(&machine.monitor.next_due().unwrap().unwrap()), "bh 1");
    machine.monitor.queue(bh(2)).unwrap();
    clock(&mut machine.monitor, 200).unwrap();
    assert_eq!(due(&mut machine.monitor), ["input", "request 11", "request 10", "bh 2"]);
    machine.monitor.executed(7);
    let mut bytes = [0; 4];
    let drawn = |bytes: &mut [u8]| {
        bytes.copy_from_slice(b"dice");
        -1
    };
    machine.monitor.random(&mut bytes, drawn).unwrap();
    let data = EventData::new(&b"text"[..]).unwrap();
    machine.engine.queue(AsyncEvent::CharRead { device: 1, data }).unwrap();
    assert_eq!(machine.pass(), ["char_read"]);
    machine.end()
}

/// Replays it up to the first checkpoint, whose events are not run yet.
pub(super) fn up_to_the_checkpoint(again: &mut Again) {
    again.monitor().executed(5);
    assert_eq!(clock(again.monitor(), -1).unwrap(), 100, "what it was, not what it is");
    again.issue(vec![read(10, 0, 4), write(11, 512, b"data")]);
    again.monitor().queue(bh(1)).unwrap();
    again.monitor().executed(6);
    again.device.complete(0, Ok(()));
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotReady);
    again.device.complete(1, Ok(()));
    again.monitor().checkpoint(VIRTUAL).unwrap();
}

#[test]
fn a_machine_that_does_the_same_gets_the_same_and_leaves_the_same_log() {
    let bytes = recorded();
    let mut again = Again::new(&bytes);
    again.replay.engine.queue(AsyncEvent::InputSync).unwrap();
    up_to_the_checkpoint(&mut again);
    assert_eq!(name(&again.monitor().next_due().unwrap().unwrap()), "bh 1");
    again.monitor().queue(bh(2)).unwrap();
    assert_eq!(clock(again.monitor(), -1).unwrap(), 200);
    assert_eq!(due(again.monitor()), ["input", "request 11", "request 10", "bh 2"]);
    again.monitor().executed(7);
    let mut drawn = [0; 4];
    assert_eq!(again.monitor().random(&mut drawn, |_| panic!("the log has them")).unwrap(), -1);
    assert_eq!(&drawn, b"dice");
    again.monitor().checkpoint(VIRTUAL).unwrap();
    let due = again.monitor().next_due().unwrap().unwrap();
    let Due::Event(AsyncEvent::CharRead { device: 1, data }) = due else { panic!("{due:?}") };
    assert_eq!(&*data, b"text");
    assert!(again.monitor().next_due().unwrap().is_none());
    assert_eq!(again.end_well(), events_of(&bytes));
}

#[test]
fn a_checkpoint_that_is_not_next_is_not_passed_and_nothing_has_happened() {
    let mut again = Again::new(&recorded());
    again.monitor().executed(5);
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotNext);
    assert_eq!(again.monitor().instructions_left().unwrap(), Some(0));
    clock(again.monitor(), 0).unwrap();
    assert_eq!(again.monitor().instructions_left().unwrap(), Some(6));
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotNext, "too early");
    again.monitor().executed(6);
    let reset = again.monitor().try_checkpoint(Checkpoint::Reset).unwrap();
    assert_eq!(reset, Passed::NotNext);
    let next = again.monitor().next_recorded().unwrap();
    assert_eq!(next, Some((6, EventKind::Checkpoint(VIRTUAL))));
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotReady);
    assert_eq!(again.replay.replayed().divergences, []);
}

#[test]
fn a_checkpoint_waits_for_a_bottom_half_of_another_thread() {
    let mut again = Again::new(&recorded());
    up_to_the_checkpoint(&mut again);
    assert_eq!(name(&again.monitor().next_due().unwrap().unwrap()), "bh 1");
    clock(again.monitor(), 0).unwrap();
    let engine = Arc::clone(&again.replay.engine);
    let other = std::thread::spawn(move || engine.queue(bh(2)).unwrap());
    assert_eq!(due(again.monitor()), ["input", "request 11", "request 10", "bh 2"]);
    other.join().unwrap();
}

#[test]
fn a_machine_that_computes_for_long_misses_nothing() {
    let mut again = Again::new(&recorded());
    again.replay.clock.set(3_600_000_000_000);
    again.replay.turn();
    up_to_the_checkpoint(&mut again);
    assert_eq!(again.replay.replayed().divergences, []);
}

#[test]
fn a_request_that_comes_while_events_are_disabled_goes_past_the_log() {
    let mut machine = Machine::recorded();
    machine.issue(vec![read(10, 0, 4)]);
    machine.device.complete(0, Ok(()));
    assert_eq!(machine.pass(), ["request 10"]);
    let bytes = machine.end();

    let mut again = Again::new(&bytes);
    again.replay.engine.enable_events(false);
    again.issue(vec![read(5, 512, 4)]);
    again.replay.engine.queue(key()).unwrap();
    assert_eq!(clock(again.monitor(), 7).unwrap(), 7);
    again.monitor().checkpoint(VIRTUAL).unwrap();
    assert_eq!(due(again.monitor()), ["input"]);
    again.device.complete(1 << 63, Ok(()));
    assert_eq!(due(again.monitor()), ["request 5"]);
    again.replay.engine.enable_events(true);
    again.issue(vec![read(10, 0, 4)]);
    again.device.complete(0, Ok(()));
    assert_eq!(again.pass(), ["request 10"]);
    assert_eq!(again.end_well(), events_of(&bytes));
}

#[test]
fn a_machine_that_went_with_requests_in_flight_may_go_again() {
    let mut machine = Machine::recorded();
    machine.issue(vec![write(10, 0, b"data"), read(11, 512, 4)]);
    machine.pass();
    machine.device.complete(0, Ok(()));
    machine.device.complete(1, Ok(()));
    let bytes = machine.end();
    let events = ["issue #0", "issue #1", "clock_virtual", "controller"];
    assert_eq!(events_of(&bytes), [&events[..], &["undelivered #0", "undelivered #1"]].concat());
    let mut again = Again::new(&bytes);
    again.issue(vec![write(10, 0, b"data"), read(11, 512, 4)]);
    again.device.complete(0, Ok(()));
    again.device.complete(1, Ok(()));
    again.replay.turn();
    assert_eq!(again.pass(), [""; 0], "the guest was never told");
    again.replay.turn();
    assert_eq!(due(again.monitor()), [""; 0]);
    assert_eq!(again.end_well(), events_of(&bytes));
}

#[test]
fn a_request_that_nobody_was_told_of_may_come_after_all_is_over() {
    let mut machine = Machine::recorded();
    machine.issue(vec![read(11, 512, 4)]);
    machine.device.complete(0, Ok(()));
    let mut again = Again::new(&machine.end());
    assert!(again.replay.engine.replay_ended(), "nothing is waited for");
    again.issue(vec![read(11, 512, 4)]);
    assert_eq!(due(again.monitor()), [""; 0]);
    assert_eq!(again.monitor().in_flight(), 0);
    assert_eq!(again.end_well(), [""; 0]);
}

#[test]
fn somebody_who_wants_the_guest_to_go_down_comes_from_the_log() {
    let cause = Some(ShutdownCause::HostUi);
    let mut machine = Machine::recorded();
    for turn in 0..3 {
        machine.monitor.executed(10);
        let asked = if turn == 2 { cause } else { None };
        assert_eq!(machine.monitor.shutdown(|| asked).unwrap(), asked);
    }
    let mut again = Again::new(&machine.end());
    for expected in [None, None, cause] {
        again.monitor().executed(10);
        assert_eq!(again.monitor().shutdown(|| panic!("the log knows")).unwrap(), expected);
    }
    again.end_well();
}

#[test]
fn with_clients_alone_the_steps_of_a_monitor_release_themselves() {
    let mut again = Again::new(&recorded());
    again.leave();
    let device = Parked::new(1 << 20);
    let mut replay = Replay::new(&recorded(), clients::live(), vec![device.clone()]);
    let mut port = replay.disks[0].connect(Negotiated::usual()).unwrap();
    port.issue(&mut vec![read(10, 0, 4), write(11, 512, b"data")]);
    let mut released = Vec::new();
    replay.turn();
    port.pump(&mut released);
    device.complete(1, Ok(()));
    device.complete(0, Ok(()));
    port.pump(&mut released);
    assert_eq!(released.iter().map(|one| one.cookie).collect::<Vec<_>>(), [11, 10]);
    drop(port);
    replay.engine.no_more_clients();
    replay.turn();
    assert_eq!(replay.replayed().divergences, []);
}

#[test]
fn a_log_that_is_cut_ends_the_machine_without_a_divergence() {
    let event = |clock| EventKind::Clock { clock, value: 3 };
    let bytes = Tape::new().event(event(ClockKind::Host), b"").cut();
    let mut again = Again::new(&bytes);
    assert_eq!(clock(again.monitor(), 0).unwrap(), 3);
    stopped(&clock(again.monitor(), 0));
    again.leave();
    let replayed = again.replay.replayed();
    assert!(replayed.cut && replayed.divergences.is_empty());
}

#[test]
fn a_machine_and_a_client_of_a_front_are_replayed_side_by_side() {
    let connect = |disk: &Arc<Disk>| disk.connect(Negotiated::usual()).unwrap();
    let cookies = |port: &mut Port| {
        let mut released = Vec::new();
        port.pump(&mut released);
        released.iter().map(|one| one.cookie).collect::<Vec<_>>()
    };
    let mut machine = Machine::recorded();
    let mut front = connect(&machine.disk);
    machine.issue(vec![write(10, 0, b"data")]);
    front.issue(&mut vec![read(20, 512, 4), read(21, 1024, 4)]);
    machine.device.complete(1, Ok(()));
    assert_eq!(cookies(&mut front), [20]);
    clock(&mut machine.monitor, 5).unwrap();
    machine.device.complete(2, Ok(()));
    assert_eq!(cookies(&mut front), [21]);
    machine.device.complete(0, Ok(()));
    assert_eq!(machine.pass(), ["request 10"]);
    drop(front);
    let bytes = machine.end();

    let mut again = Again::new(&bytes);
    let mut front = connect(&again.replay.disks[0]);
    again.issue(vec![write(10, 0, b"data")]);
    assert_eq!(clock(again.monitor(), 0).unwrap(), 5, "a value waits for no client");
    again.device.complete(0, Ok(()));
    assert_eq!(again.monitor().try_checkpoint(VIRTUAL).unwrap(), Passed::NotReady);
    front.issue(&mut vec![read(21, 1024, 4), read(20, 512, 4)]);
    assert_eq!(cookies(&mut front), [0; 0]);
    again.device.complete(2, Ok(()));
    again.device.complete(1, Ok(()));
    assert_eq!(cookies(&mut front), [20, 21]);
    assert_eq!(again.pass(), ["request 10"]);
    drop(front);
    again.end_well();
}
