//! Monitors that are recorded: what is released when, and what the log has of it.

use super::clients::{arrival, flush, read, write};
use super::*;
use crate::event::{ClockKind, Disconnect, EventData, Input, Key, ShutdownCause};

pub(super) const VIRTUAL: Checkpoint = Checkpoint::ClockVirtual;

/// A monitor with a disk of 1 MiB, which is recorded or not.
pub(super) struct Machine {
    pub(super) engine: Arc<Engine>,
    pub(super) device: Arc<Parked>,
    pub(super) disk: Arc<Disk>,
    pub(super) monitor: Monitor,
    log: Shared,
}

impl Machine {
    fn with(engine: Arc<Engine>, log: Shared) -> Machine {
        let device = Parked::new(1 << 20);
        let disk = engine.attach(device.clone());
        let mut monitor = Monitor::new(&engine).unwrap();
        monitor.connect(&disk).unwrap();
        Machine { engine, device, disk, monitor, log }
    }

    pub(super) fn recorded() -> Machine {
        Machine::limited(u64::MAX)
    }

    /// Its trace takes at most so many bytes.
    fn limited(bytes: u64) -> Machine {
        let clock = Arc::new(Told::default());
        clock.run(1000);
        let log = Shared::default();
        let identity = Identity { salt: 3, uuid: 4 };
        let (out, trouble) = (Box::new(log.clone()), Box::new(|_: &_| ()));
        let header = header(PayloadPolicy::All, 1);
        let recorder = Recorder::start(out, &header, identity, clock.clone(), trouble).unwrap();
        let engine = Engine::recording(clock, recorder.limited_to(bytes), PayloadPolicy::All);
        Machine::with(engine, log)
    }

    fn off() -> Machine {
        Machine::with(Engine::off(Arc::new(Told::default())), Shared::default())
    }

    pub(super) fn issue(&mut self, arrivals: Vec<Arrival>) {
        let mut arrivals = arrivals;
        self.monitor.issue(DeviceId(0), &mut arrivals);
    }

    pub(super) fn pass(&mut self) -> Vec<String> {
        self.monitor.checkpoint(VIRTUAL).unwrap();
        due(&mut self.monitor)
    }

    /// The trace, with the machine gone.
    pub(super) fn end(self) -> Vec<u8> {
        let Machine { engine, device: _device, disk: _disk, monitor, log } = self;
        drop(monitor);
        engine.finish(None).unwrap().unwrap();
        log.0.lock().unwrap().clone()
    }

    /// The events of its trace, without those that every trace of one has.
    fn events(self) -> Vec<String> {
        events_of(&self.end())
    }
}

/// In short, without `open`, `length`, `close`, `connect`, `disconnect` and `end`.
pub(super) fn events_of(bytes: &[u8]) -> Vec<String> {
    let mut reader = reader(bytes);
    let mut events = Vec::new();
    while let Some((_, event)) = reader.next_event().unwrap() {
        events.push(match event.kind {
            EventKind::Issue(issue) => format!("issue {}", issue.id),
            EventKind::Block(block) if block.flags.undelivered => {
                format!("undelivered {}", block.id)
            }
            EventKind::Block(block) => format!("block {}", block.id),
            EventKind::Checkpoint(which) => which.name().to_owned(),
            EventKind::Bh { id } => format!("bh {id}"),
            EventKind::Instruction { count } => format!("instruction {count}"),
            EventKind::Clock { value, .. } => format!("clock {value}"),
            EventKind::Open { .. }
            | EventKind::Length { .. }
            | EventKind::Close { .. }
            | EventKind::Connect(_)
            | EventKind::Disconnect { .. }
            | EventKind::End { .. } => continue,
            other => other.name().to_owned(),
        });
    }
    assert!(reader.loss().is_none());
    events
}

/// All that is due now: cookies of requests, and kinds of events.
pub(super) fn due(monitor: &mut Monitor) -> Vec<String> {
    std::iter::from_fn(|| monitor.next_due().unwrap()).map(|due| name(&due)).collect()
}

pub(super) fn name(due: &Due) -> String {
    match due {
        Due::Block { released, .. } => format!("request {}", released.cookie),
        Due::Event(AsyncEvent::Bh { id }) => format!("bh {id}"),
        Due::Event(event) => event.kind().name().to_owned(),
    }
}

pub(super) fn bh(id: u64) -> AsyncEvent {
    AsyncEvent::Bh { id }
}

pub(super) fn key() -> AsyncEvent {
    AsyncEvent::Input(Input::Key { key: Key::Linux(30), down: true })
}

#[test]
fn a_checkpoint_of_a_monitor_releases_what_is_queued_in_order_and_logs_it_first() {
    let mut machine = Machine::recorded();
    machine.issue(vec![read(10, 0, 4), flush(11)]);
    machine.monitor.queue(bh(7)).unwrap();
    machine.engine.queue(key()).unwrap();
    machine.device.complete(1, Ok(()));
    assert_eq!(due(&mut machine.monitor), [""; 0], "nothing is due before a checkpoint");
    assert_eq!(machine.pass(), ["bh 7", "input", "request 11"]);
    machine.device.complete(0, Ok(()));
    assert_eq!(machine.pass(), ["request 10"]);
    assert_eq!(machine.pass(), [""; 0]);
    assert_eq!(machine.monitor.in_flight(), 0);
    assert_eq!(
        machine.events(),
        [
            "issue #0",
            "issue #1",
            "clock_virtual",
            "bh 7",
            "input",
            "block #1",
            "clock_virtual",
            "block #0",
            "clock_virtual"
        ],
        "a checkpoint that releases nothing is logged too"
    );
}

#[test]
fn what_is_queued_by_what_runs_joins_its_step_and_nothing_else_does() {
    let mut machine = Machine::recorded();
    machine.monitor.queue(bh(1)).unwrap();
    machine.monitor.checkpoint(VIRTUAL).unwrap();
    assert_eq!(name(&machine.monitor.next_due().unwrap().unwrap()), "bh 1");
    machine.monitor.queue(bh(2)).unwrap();
    machine.issue(vec![flush(10)]);
    machine.device.complete(0, Ok(()));
    machine.engine.queue(bh(3)).unwrap();
    assert_eq!(due(&mut machine.monitor), ["bh 2"]);
    machine.monitor.queue(bh(4)).unwrap();
    assert_eq!(machine.pass(), ["bh 3", "request 10", "bh 4"]);
    assert_eq!(
        machine.events(),
        ["clock_virtual", "bh 1", "issue #0", "bh 2", "clock_virtual", "bh 3", "block #0", "bh 4"]
    );
}

#[test]
fn values_are_logged_as_the_guest_gets_them_with_the_instructions_before() {
    let mut machine = Machine::recorded();
    let monitor = &mut machine.monitor;
    monitor.executed(40);
    monitor.executed(2);
    assert_eq!(monitor.clock(ClockKind::Host, || -5).unwrap(), -5);
    let mut bytes = [0; 4];
    let fill = |bytes: &mut [u8]| {
        bytes.copy_from_slice(b"dice");
        0
    };
    assert_eq!(monitor.random(&mut bytes, fill).unwrap(), 0);
    assert_eq!(&bytes, b"dice");
    assert_eq!(monitor.char_write(|| (3, 9)).unwrap(), (3, 9));
    let text = EventData::new(&b"text"[..]).unwrap();
    assert_eq!(monitor.char_read_all(|| Ok(text.clone())).unwrap(), Ok(text));
    assert_eq!(monitor.char_read_all(|| Err(-11)).unwrap(), Err(-11));
    assert_eq!(monitor.audio_out(|| 64).unwrap(), 64);
    monitor.interrupt().unwrap();
    monitor.executed(1);
    monitor.exception().unwrap();
    assert_eq!(monitor.shutdown(|| None).unwrap(), None);
    let cause = Some(ShutdownCause::HostSignal);
    assert_eq!(monitor.shutdown(|| cause).unwrap(), cause);
    assert_eq!(
        machine.events(),
        [
            "instruction 42",
            "clock -5",
            "random",
            "char_write",
            "char_read_all",
            "char_read_all_error",
            "audio_out",
            "interrupt",
            "instruction 1",
            "exception",
            "shutdown"
        ]
    );
}

/// Does some of everything; what is due comes without a checkpoint.
fn check_at_once(machine: &mut Machine) {
    machine.issue(vec![flush(10), Arrival { refused: Some(Errno::EPERM), ..flush(11) }]);
    machine.device.complete(0, Ok(()));
    machine.monitor.queue(bh(1)).unwrap();
    machine.engine.queue(key()).unwrap();
    let value = machine.monitor.clock(ClockKind::Host, || 5).unwrap();
    assert_eq!(value, 5);
    assert_eq!(due(&mut machine.monitor), ["request 11", "bh 1", "input", "request 10"]);
    assert_eq!(machine.pass(), [""; 0]);
    assert_eq!(machine.engine.totals().requests, 2);
}

#[test]
fn an_engine_that_is_off_runs_events_at_once() {
    check_at_once(&mut Machine::off());
}

#[test]
fn events_that_are_disabled_run_at_once_and_leave_no_trace() {
    let mut machine = Machine::recorded();
    machine.issue(vec![flush(9)]);
    machine.engine.enable_events(false);
    machine.device.complete(0, Ok(()));
    assert_eq!(due(&mut machine.monitor), [""; 0], "it is in the log, and so its end will be");
    machine.engine.enable_events(true);
    assert_eq!(machine.pass(), ["request 9"]);

    machine.engine.enable_events(false);
    machine.issue(vec![flush(10)]);
    machine.engine.queue(key()).unwrap();
    machine.device.complete(1, Ok(()));
    machine.monitor.clock(ClockKind::Host, || 5).unwrap();
    assert_eq!(due(&mut machine.monitor), ["input", "request 10"]);
    assert_eq!(machine.pass(), [""; 0]);
    machine.engine.enable_events(true);
    machine.issue(vec![flush(12)]);
    machine.device.complete(2, Ok(()));
    assert_eq!(machine.pass(), ["request 12"]);
    assert_eq!(
        machine.events(),
        ["issue #0", "clock_virtual", "block #0", "issue #1", "clock_virtual", "block #1"],
        "no id was used up"
    );
}

#[test]
fn checkpoints_of_fronts_leave_what_waits_for_a_monitor_alone() {
    let mut machine = Machine::recorded();
    let export = String::new();
    let negotiated = Negotiated {
        export,
        structured_replies: true,
        block_status: false,
        extended_headers: false,
    };
    let mut front = machine.disk.connect(negotiated).unwrap();
    machine.monitor.queue(bh(1)).unwrap();
    machine.issue(vec![flush(10)]);
    front.issue(&mut vec![flush(20)]);
    machine.device.complete(0, Ok(()));
    machine.device.complete(1, Ok(()));
    machine.monitor.wait(std::time::Duration::from_mins(1));
    let mut released = Vec::new();
    front.pump(&mut released);
    assert_eq!(released.iter().map(|one| one.cookie).collect::<Vec<_>>(), [20]);
    assert_eq!(machine.pass(), ["bh 1", "request 10"]);
    front.disconnect(Disconnect::Asked);
    assert_eq!(
        machine.events(),
        ["issue #0", "issue #1", "controller", "block #1", "clock_virtual", "bh 1", "block #0"]
    );
}

#[test]
fn a_machine_that_goes_with_requests_in_flight_completes_them_and_tells_nobody() {
    let mut machine = Machine::recorded();
    machine.issue(vec![write(10, 0, b"data"), flush(11), flush(12)]);
    machine.device.complete(1, Ok(()));
    machine.device.complete(2, Ok(()));
    machine.monitor.checkpoint(VIRTUAL).unwrap();
    assert_eq!(name(&machine.monitor.next_due().unwrap().unwrap()), "request 11");
    machine.device.complete(0, Ok(()));
    machine.monitor.wait(std::time::Duration::ZERO);
    assert_eq!(
        machine.events(),
        [
            "issue #0",
            "issue #1",
            "issue #2",
            "clock_virtual",
            "block #1",
            "block #2",
            "controller",
            "undelivered #0"
        ]
    );
}

#[test]
fn an_engine_has_one_monitor_and_a_monitor_each_disk_once() {
    let mut machine = Machine::off();
    assert!(matches!(Monitor::new(&machine.engine), Err(MonitorError::Taken)));
    let again = machine.monitor.connect(&machine.disk);
    assert!(matches!(again, Err(MonitorError::Connected(DeviceId(0)))));
}

#[test]
fn more_random_bytes_than_a_trace_can_hold_are_refused_before_they_are_drawn() {
    let mut machine = Machine::off();
    let mut bytes = vec![0; crate::limits::EVENT_BYTES_MAX + 1];
    let refused = machine.monitor.random(&mut bytes, |_| panic!("nobody draws them"));
    assert!(matches!(refused, Err(MonitorError::TooLong(_))));
}

#[test]
fn a_trace_of_limited_size_has_room_for_all_that_a_monitor_does() {
    const LIMIT: u64 = 64 << 10;
    let mut machine = Machine::limited(LIMIT);
    let data = EventData::new(vec![7; 512]).unwrap();
    for turn in 0..10_000_u64 {
        machine.monitor.executed(turn);
        machine.engine.queue(AsyncEvent::CharRead { device: 0, data: data.clone() }).unwrap();
        machine.issue(vec![arrival(turn, request(Operation::Write, turn * 8, 4), b"data")]);
        machine.device.complete(turn, Ok(()));
        let mut bytes = [0; 64];
        machine.monitor.random(&mut bytes, |_| 0).unwrap();
        machine.monitor.queue(bh(turn)).unwrap();
        let mut due = machine.pass();
        due.extend(self::due(&mut machine.monitor));
        due.sort();
        assert_eq!(due, [format!("bh {turn}"), "char_read".to_owned(), format!("request {turn}")]);
    }
    assert!(machine.engine.recording_ended());
    let bytes = machine.end();
    assert!((LIMIT / 2..=LIMIT).contains(&(bytes.len() as u64)), "{}", bytes.len());
    let events = events_of(&bytes);
    let count = |name: &str| events.iter().filter(|event| event.starts_with(name)).count();
    assert!(count("issue") > 10 && count("issue") == count("block"));
}
