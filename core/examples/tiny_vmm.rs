//! A virtual machine monitor that is recorded and replayed: a tutorial for people who write a real one.
//!
//! ```text
//! truncate --size 64K disk.img; cp disk.img again.img
//! cargo run --example tiny_vmm -- record t.blkr disk.img hello
//! cargo run --example tiny_vmm -- replay t.blkr again.img
//! cmp disk.img again.img; blkreplay print --events t.blkr
//! ```
//!
//! `guest` is the machine that its program sees. It knows nothing of the world, and that is all the determinism that a
//! monitor must bring: *the same answers in the same places lead to the same questions*. Part 1 is the monitor, which
//! gets the answers through the library. Parts 2 and 3 record it and replay it. Invariant: part 1 does not know which of
//! the two it is in.

#[path = "tiny_vmm/guest.rs"]
mod guest;

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use blkreplay_core::device::{
    Access, Image, ImageFormat, OpenOptions, Pool, Transfer, fingerprint, open,
};
use blkreplay_core::engine::{
    Arrival, AsyncEvent, DivergenceKind, Due, Engine, Fill, Identity, Monitor, MonitorError, Plan,
    Player, Recorder, Released, Replayed, Rules, Script, Source,
};
use blkreplay_core::event::{Checkpoint, ClockKind, Input, Key};
use blkreplay_core::format::{
    DeviceHeader, FingerprintMethod, Header, LimitsHeader, PayloadPolicy, Reader,
};
use blkreplay_core::request::{DeviceId, Digest, Flags, Operation, Request};
use blkreplay_core::units::{ByteRange, Clock, Nanos};
use bytes::Bytes;

use guest::{Guest, Instruction, Need, PROGRAM, SECTOR, SECTORS};

// Part 1. The monitor.

/// Instructions between two looks at the world. A number, not a time: so the checkpoints lie in the same places again.
const SLICE: usize = 8;

/// How long a guest sleeps at most before its monitor looks whether there is something.
const NAP: Duration = Duration::from_millis(20);

struct Machine {
    guest: Guest,
    monitor: Monitor,
    /// Requests issued so far: each has a name that is the same in both runs.
    issued: u64,
    /// Complete, and the interrupt is put off.
    complete: HashMap<u64, Released>,
}

impl Machine {
    /// Runs until the guest powers itself off, or a replay stops.
    fn run(&mut self) -> Result<(), MonitorError> {
        self.pass(Checkpoint::Init)?;
        loop {
            let mut sleeps = false;
            for _ in 0..SLICE {
                let need = self.guest.step();
                sleeps = matches!(need, Need::Sleep);
                if sleeps {
                    break;
                }
                // In a replay each count is compared: a guest that has gone astray is found at the next event.
                self.monitor.executed(1);
                match need {
                    Need::Nothing | Need::Sleep => {}
                    Need::PowerOff => return Ok(()),
                    Need::Clock(to) => {
                        let now = self.monitor.clock(ClockKind::Host, time_of_day)?;
                        self.guest.registers[to] = now.cast_unsigned();
                    }
                    Need::Random(to) => {
                        let mut bytes = [0; 8];
                        self.monitor.random(&mut bytes, draw)?;
                        self.guest.registers[to] = u64::from_le_bytes(bytes);
                    }
                    Need::Disk(operation, sector) => self.issue(operation, sector),
                }
            }
            let woken = self.pass(Checkpoint::ClockVirtual)?;
            if sleeps && !woken {
                // Wakes up when a checkpoint would release something. A replay does not sleep.
                self.monitor.wait(NAP);
            }
        }
    }

    fn issue(&mut self, operation: Operation, sector: u64) {
        let range = match operation {
            Operation::Flush => ByteRange::default(),
            _ => ByteRange::new(sector * SECTOR as u64, SECTOR as u64),
        };
        let data = match operation {
            Operation::Write => Bytes::copy_from_slice(&self.guest.buffer),
            _ => Bytes::new(),
        };
        let request = Request { operation, range, flags: Flags::NONE };
        let (tag, refused) = (self.issued, None);
        self.issued += 1;
        self.monitor.issue(DISK, &mut vec![Arrival { tag, cookie: tag, request, data, refused }]);
    }

    /// Passes a checkpoint. Only here does anything happen to the guest that it did not ask for; whether anything did.
    fn pass(&mut self, which: Checkpoint) -> Result<bool, MonitorError> {
        self.monitor.checkpoint(which)?;
        let mut any = false;
        while let Some(due) = self.monitor.next_due()? {
            any = true;
            match due {
                Due::Block { released, .. } => {
                    // A device model does the rest in a bottom half. Queued here, it belongs to the same step.
                    let id = released.tag;
                    self.complete.insert(id, released);
                    let queued = self.monitor.queue(AsyncEvent::Bh { id });
                    queued.expect("there are no more of them than of requests in flight");
                }
                Due::Event(AsyncEvent::Bh { id }) => {
                    if let Some(released) = self.complete.remove(&id) {
                        self.guest.disk_done(&released);
                    }
                }
                Due::Event(AsyncEvent::Input(Input::Key { key, down: true })) => {
                    self.guest.keys.push_back(key.code());
                }
                // This machine has no network, no serial line, and does not care when a key is up again.
                Due::Event(_) => {}
            }
        }
        Ok(any)
    }
}

/// The world: nothing of this is called in a replay.
fn time_of_day() -> i64 {
    let since = UNIX_EPOCH.elapsed().unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// As random as the standard library is.
fn draw(bytes: &mut [u8]) -> i32 {
    for chunk in bytes.chunks_mut(8) {
        let number = RandomState::new().build_hasher().finish();
        chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
    }
    0
}

// Part 2. Recording.

/// The machine's only disk.
const DISK: DeviceId = DeviceId(0);

/// The engine's clock: it dates events, and the guest never sees it.
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

fn open_disk(image: &Path) -> Result<Arc<dyn Image>, Box<dyn Error>> {
    let (format, transfer) = (Some(ImageFormat::Raw), Transfer::Buffered);
    let options = OpenOptions { access: Access::ReadWrite, format, transfer, create: None };
    let opened = open(image, &options)?;
    if opened.image.geometry().size < SECTORS * SECTOR as u64 {
        return Err("the disk is too small: the guest uses 32 KiB".into());
    }
    Ok(opened.image)
}

/// What the trace says of itself. The fingerprint tells a replay whether it begins with the same disk.
fn header(image: &Path, disk: &dyn Image) -> Result<Header, Box<dyn Error>> {
    let geometry = disk.geometry();
    let device = DeviceHeader {
        name: "disk".to_owned(),
        image: image.display().to_string(),
        format: "raw".to_owned(),
        size: geometry.size,
        block_min: geometry.block_min,
        block_preferred: geometry.block_preferred,
        read_only: geometry.read_only,
        discard: geometry.discard,
        fingerprint: fingerprint(disk, FingerprintMethod::Sample)?,
    };
    Ok(Header {
        tool: "tiny_vmm".to_owned(),
        command: std::env::args().collect(),
        wall_clock_ns: time_of_day().cast_unsigned(),
        payload: PayloadPolicy::All,
        devices: vec![device],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 64 << 20, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    })
}

/// Runs the guest and records it, while somebody types `text`; returns what it came to.
fn record(trace: &Path, image: &Path, text: &[u8]) -> Result<Digest, Box<dyn Error>> {
    let disk = open_disk(image)?;
    let clock = Arc::new(SinceStart(Instant::now()));
    let random = || RandomState::new().build_hasher().finish();
    let identity = Identity { salt: random(), uuid: u128::from(random()) };
    let (out, complain) = (Box::new(File::create(trace)?), Box::new(|_: &_| ()));
    let recorder =
        Recorder::start(out, &header(image, &*disk)?, identity, clock.clone(), complain)?;
    let engine = Engine::recording(clock, recorder, PayloadPolicy::All);
    let disk = engine.attach(Pool::new(disk, 1));
    let mut monitor = Monitor::new(&engine)?;
    monitor.connect(&disk)?;
    let (guest, complete) = (Guest::new(&PROGRAM), HashMap::new());
    let mut machine = Machine { guest, monitor, issued: 0, complete };
    let keyboard = Arc::clone(&engine);
    let outcome = thread::scope(|scope| {
        // Keys come when they come. The trace has at which checkpoint the guest got each.
        scope.spawn(move || {
            for key in text.iter().chain(&[0]) {
                let key = Key::Number(u64::from(*key));
                // A keyboard whose buffer is full drops what is typed.
                let _ = keyboard.queue(AsyncEvent::Input(Input::Key { key, down: true }));
                thread::yield_now();
            }
        });
        machine.run()
    });
    let digest = machine.guest.digest();
    // The monitor goes first: it completes what is in flight. Then the trace gets its end.
    drop(machine);
    outcome?;
    engine.finish(Some(0)).ok_or("nothing was recorded")??;
    Ok(digest)
}

// Part 3. Replaying.

/// Runs a guest again; returns what it came to, and how the replay went.
fn replay(
    trace: &Path,
    image: &Path,
    program: &[Instruction],
) -> Result<(Digest, Replayed), Box<dyn Error>> {
    let disk = open_disk(image)?;
    let plan = Plan::of(&mut Reader::open(File::open(trace)?)?)?;
    let reader = Reader::open(File::open(trace)?)?;
    let recorded = reader.header().devices.first().ok_or("the trace has no disk")?;
    if fingerprint(&*disk, recorded.fingerprint.method)? != recorded.fingerprint {
        return Err("this is not the disk that the recording began with".into());
    }
    let rules = Rules::of(Source::Monitor);
    let spill = tempfile::tempfile()?;
    let script = Script { trace: reader, plan, rules, recorder: None, spill };
    let engine = Engine::replaying(Arc::new(SinceStart(Instant::now())), script)?;
    let disk = engine.attach(Pool::new(disk, 1));
    // The player reads the trace ahead and looks at the clock, on a thread of its own.
    let player = Player::new(&engine, &[Arc::clone(&disk)], Fill::None);
    let player = thread::spawn(move || player.run(&AtomicBool::new(false), &mut |_| {}));
    let mut monitor = Monitor::new(&engine)?;
    monitor.connect(&disk)?;
    let (guest, complete) = (Guest::new(program), HashMap::new());
    let mut machine = Machine { guest, monitor, issued: 0, complete };
    let outcome = machine.run();
    let digest = machine.guest.digest();
    drop(machine);
    engine.no_more_clients();
    let replayed = player.join().map_err(|_| "the player panicked")??;
    match outcome {
        // Where it stopped at a divergence, the divergence says more.
        Err(MonitorError::Stopped) if !replayed.divergences.is_empty() => {}
        outcome => outcome?,
    }
    Ok((digest, replayed))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut out = io::stdout();
    match arguments[..] {
        ["record", trace, image, text] => {
            let digest = record(Path::new(trace), Path::new(image), text.as_bytes())?;
            writeln!(out, "the guest came to {digest}")?;
        }
        ["replay", trace, image] => {
            let (digest, replayed) = replay(Path::new(trace), Path::new(image), &PROGRAM)?;
            writeln!(out, "the guest came to {digest}")?;
            for divergence in replayed.divergences {
                let at = divergence.at.event;
                match divergence.kind {
                    DivergenceKind::Monitor(monitor) => writeln!(out, "event {at}: {monitor}")?,
                    kind => writeln!(out, "event {at}: {}", kind.name())?,
                }
            }
        }
        _ => return Err("record TRACE IMAGE TEXT, or replay TRACE IMAGE".into()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use blkreplay_core::engine::AskedField;
    use blkreplay_core::event::{EventKind, Payload};
    use blkreplay_core::format::{Entry, Writer};
    use tempfile::TempDir;

    use super::*;

    /// A recording, with a disk as it was before.
    struct Recorded {
        place: TempDir,
        digest: Digest,
    }

    impl Recorded {
        fn new() -> Recorded {
            let place = TempDir::new().unwrap();
            let image: Vec<u8> = (0_u32..64 << 10).flat_map(|n| [n.to_le_bytes()[1]]).collect();
            for name in ["disk.img", "again.img"] {
                fs::write(place.path().join(name), &image).unwrap();
            }
            let path = |name: &str| place.path().join(name);
            let digest = record(&path("t.blkr"), &path("disk.img"), b"hello, disk").unwrap();
            Recorded { place, digest }
        }

        fn replay(&self, program: &[Instruction]) -> (Digest, Replayed) {
            let path = |name: &str| self.place.path().join(name);
            replay(&path("t.blkr"), &path("again.img"), program).unwrap()
        }

        fn disks_are_equal(&self) -> bool {
            let disk = |name: &str| fs::read(self.place.path().join(name)).unwrap();
            disk("disk.img") == disk("again.img")
        }

        /// The same trace with another key in place of the first.
        fn change_a_key(&self) {
            let path = self.place.path().join("t.blkr");
            let mut reader = Reader::open(io::Cursor::new(fs::read(&path).unwrap())).unwrap();
            let mut writer = Writer::create(Vec::new(), reader.header(), 1, 2).unwrap();
            let mut keys = 0;
            while let Some((_, mut event)) = reader.next_event().unwrap() {
                let payload = match &mut event.kind {
                    EventKind::Issue(issue) => Some(&mut issue.payload),
                    EventKind::Block(block) => Some(&mut block.payload),
                    EventKind::Input(Input::Key { key, .. }) => {
                        keys += 1;
                        *key = if keys == 1 { Key::Number(7) } else { *key };
                        None
                    }
                    _ => None,
                };
                let data = match payload {
                    Some(payload @ Payload::Stored(..)) => {
                        let Payload::Stored(digest, id) = *payload else { unreachable!() };
                        *payload = Payload::Digest(digest);
                        Some(reader.payload(id).unwrap())
                    }
                    _ => None,
                };
                writer.append(Entry { event, data }).unwrap();
            }
            assert!(keys > 1);
            fs::write(path, writer.finish().unwrap().0).unwrap();
        }
    }

    #[test]
    fn a_replay_comes_to_the_same_and_leaves_the_same_disk() {
        let recorded = Recorded::new();
        assert!(!recorded.disks_are_equal(), "the guest wrote something");
        let (digest, replayed) = recorded.replay(&PROGRAM);
        assert_eq!(replayed.divergences, []);
        assert_eq!(digest, recorded.digest);
        assert!(recorded.disks_are_equal());
        assert_eq!((replayed.requests, replayed.verified), (33, 11));
    }

    #[test]
    fn two_recordings_come_to_different_ends() {
        assert_ne!(Recorded::new().digest, Recorded::new().digest, "time and chance are in it");
    }

    #[test]
    fn a_guest_that_does_something_else_is_found_at_once() {
        let recorded = Recorded::new();
        let mut program = PROGRAM;
        program[1..3].reverse();
        let (_, replayed) = recorded.replay(&program);
        let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
        let DivergenceKind::Monitor(monitor) = &divergence.kind else { panic!("{divergence:?}") };
        assert_eq!(divergence.kind.name(), "unexpected");
        assert_eq!(
            monitor.to_string(),
            "the machine did random of 8 bytes after 2 instructions, \
             the recording has clock host after 2 instructions"
        );
    }

    #[test]
    fn a_guest_that_writes_other_data_is_found_before_they_reach_the_disk() {
        let recorded = Recorded::new();
        let mut program = PROGRAM;
        program[8] = Instruction::Scramble(1);
        let (_, replayed) = recorded.replay(&program);
        let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
        assert_eq!(divergence.kind, DivergenceKind::Changed { fields: vec![AskedField::Data] });
        assert_eq!(divergence.expected.unwrap().request.operation, Operation::Write);
    }

    #[test]
    fn another_key_leads_elsewhere() {
        let recorded = Recorded::new();
        recorded.change_a_key();
        let (_, replayed) = recorded.replay(&PROGRAM);
        let [divergence] = &replayed.divergences[..] else { panic!("{replayed:?}") };
        assert_eq!(divergence.kind.name(), "changed");
    }

    #[test]
    fn another_disk_is_refused() {
        let recorded = Recorded::new();
        let path = |name: &str| recorded.place.path().join(name);
        let refused = replay(&path("t.blkr"), &path("disk.img"), &PROGRAM).unwrap_err();
        assert!(refused.to_string().contains("not the disk"), "{refused}");
    }
}
