//! How fast two traces are compared: the same work recorded twice, at other times, in another order inside its epochs, and cut
//! into other chunks; and work of which one request in a thousand wrote something else, recorded apart and in the same order.
//!
//! `cargo bench -p blkreplay-core --bench diff [-- REQUESTS]`, 10 million unless said otherwise. The traces (1.7 GB) stay below
//! `target/bench`, where `tests/bench/diff.sh` takes them from and deletes them. Prints rates and what was resident. Never part of a timed test.

use std::env;
use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blkreplay_core::diff::{
    Align, Difference, Fact, Facts, Outcome, Pairing, Place, Rule, TraceSide, Which, compare,
};
use blkreplay_core::event::{Block, Checkpoint, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{
    DeviceHeader, Edits, Entry, Fingerprint, FingerprintMethod, Header, LimitsHeader,
    PayloadPolicy, Reader, Writer,
};
use blkreplay_core::request::{
    ConnectionId, DeviceId, Digest, Flags, Operation, Request, RequestId,
};
use blkreplay_core::units::{ByteRange, Nanos};
use rustix::time::{ClockId, clock_gettime};

const REQUESTS: u64 = 10_000_000;

/// Requests between two flushes.
const EPOCH: u64 = 1000;

/// Requests in flight.
const DEPTH: usize = 32;

/// One request in so many is another in the trace that differs.
const CHANGED: u64 = 1000;

/// A generator of noise.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

/// What a trace is: which of two runs of the same work, and whether it is the same.
#[derive(Clone, Copy)]
struct Made {
    run: u64,
    changed: bool,
}

/// The `number`th request of the work, which does not depend on the run.
fn request(number: u64, made: Made) -> (Request, Payload) {
    let mut noise = Noise(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    noise.below(2);
    let range = ByteRange::new(noise.below(1 << 24) << 12, (1 + noise.below(8)) << 12);
    let write = noise.below(2) == 0;
    let changed = made.changed && noise.below(CHANGED) == 0;
    let digest = Digest::of(&(number + u64::from(changed)).to_le_bytes());
    let operation = if write { Operation::Write } else { Operation::Read };
    (Request { operation, range, flags: Flags::NONE }, Payload::Digest(digest))
}

struct Maker {
    writer: Writer<BufWriter<File>>,
    noise: Noise,
    time: u64,
    id: u64,
    flying: Vec<(RequestId, u64, Operation, Payload)>,
}

impl Maker {
    fn add(&mut self, kind: EventKind) -> Result<(), Box<dyn Error>> {
        let event = Event { time: Nanos(self.time), kind };
        Ok(self.writer.append(Entry { event, data: None })?)
    }

    fn issue(&mut self, request: Request, payload: Payload) -> Result<(), Box<dyn Error>> {
        let id = RequestId(self.id);
        self.id += 1;
        self.time += 300 + self.noise.below(500);
        self.flying.push((id, self.time, request.operation, payload));
        let writes = request.operation == Operation::Write;
        let cookie = self.noise.below(1 << 20);
        self.add(EventKind::Issue(Issue {
            id,
            device: DeviceId(0),
            connection: ConnectionId(0),
            cookie,
            request,
            payload: if writes { payload } else { Payload::Absent },
            early: Nanos(0),
        }))
    }

    fn release(&mut self, least: usize) -> Result<(), Box<dyn Error>> {
        self.time += 20_000 + self.noise.below(40_000);
        self.add(EventKind::Checkpoint(Checkpoint::Controller))?;
        while self.flying.len() > least {
            let place = self.noise.below(self.flying.len() as u64);
            let (id, since, operation, payload) = self.flying.swap_remove(usize::try_from(place)?);
            let reads = operation == Operation::Read;
            self.add(EventKind::Block(Block {
                id,
                device: DeviceId(0),
                operation,
                result: Ok(()),
                latency: Nanos(self.time - since),
                hold: Nanos(0),
                flags: CompletionFlags::default(),
                payload: if reads { payload } else { Payload::Absent },
                extents: Vec::new(),
            }))?;
        }
        Ok(self.writer.tick(Nanos(self.time))?)
    }
}

fn header() -> Header {
    let fingerprint = Fingerprint { method: FingerprintMethod::None, digest: None };
    let device = DeviceHeader {
        name: "disk".to_owned(),
        image: "disk.img".to_owned(),
        format: "raw".to_owned(),
        size: 1 << 40,
        block_min: 1,
        block_preferred: 4096,
        read_only: false,
        discard: true,
        fingerprint,
    };
    Header {
        tool: "bench".to_owned(),
        command: Vec::new(),
        wall_clock_ns: 0,
        payload: PayloadPolicy::Hash,
        devices: vec![device],
        exports: Vec::new(),
        limits: LimitsHeader { request_data_bytes: 1 << 26, connection_requests: 1024 },
        recovered: None,
        replay: None,
        edits: Edits::default(),
    }
}

/// Writes a trace.
fn write(path: &Path, requests: u64, made: Made) -> Result<(), Box<dyn Error>> {
    let file = BufWriter::new(File::create(path)?);
    let writer = Writer::create(file, &header(), made.run, made.run.into())?;
    let noise = Noise(made.run);
    let mut maker = Maker { writer, noise, time: 0, id: 0, flying: Vec::new() };
    let flush =
        Request { operation: Operation::Flush, range: ByteRange::default(), flags: Flags::NONE };
    for epoch in 0..requests.div_ceil(EPOCH) {
        let mut numbers: Vec<u64> = (epoch * EPOCH..((epoch + 1) * EPOCH).min(requests)).collect();
        // Nearby requests change places.
        for at in 1..numbers.len() {
            numbers.swap(at, at - usize::try_from(maker.noise.below(8.min(at as u64 + 1)))?);
        }
        for number in numbers {
            let (request, payload) = request(number, made);
            maker.issue(request, payload)?;
            if maker.flying.len() >= DEPTH {
                let least = usize::try_from(maker.noise.below(DEPTH as u64 / 2))?;
                maker.release(least)?;
            }
        }
        maker.release(0)?;
        maker.issue(flush, Payload::Absent)?;
        maker.release(0)?;
    }
    maker.add(EventKind::End { status: None })?;
    maker.writer.finish()?.0.flush()?;
    Ok(())
}

#[derive(Default)]
struct Counts {
    same: u64,
    different: u64,
    /// Places in which the window was too small.
    gave_up: u64,
}

impl Outcome for Counts {
    fn same(&mut self, _: Place, count: u64, _: u64) {
        self.same += count;
    }

    fn difference(&mut self, _: Difference) -> ControlFlow<()> {
        self.different += 1;
        ControlFlow::Continue(())
    }

    fn epochs(&mut self, _: DeviceId, _: u64, _: u64) {}

    fn gave_up(&mut self, _: Place) {
        self.gave_up += 1;
    }
}

/// Compares two traces, and says how long it took, and how much of all cores, in seconds. The cores count what this did, whatever
/// else ran beside it.
fn timed(base: &Path, new: &Path, rule: &Rule) -> Result<(Counts, f64, f64), Box<dyn Error>> {
    let pairing = Pairing::of(&header(), &header());
    let side = |path: &Path, which| {
        let path = path.to_owned();
        TraceSide::new(move || Ok(Reader::open(File::open(&path)?)?), which, &pairing)
    };
    let (base, new) = (side(base, Which::Base), side(new, Which::New));
    let mut counts = Counts::default();
    let (start, cores) = (Instant::now(), core_time());
    compare(&base, &new, rule, &tempfile::tempfile, &mut counts)?;
    let cores = core_time().saturating_sub(cores);
    Ok((counts, start.elapsed().as_secs_f64(), cores.as_secs_f64()))
}

/// What the process has had of all cores so far.
fn core_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.try_into().expect("it counts from zero")
}

/// The most that was resident since it was asked last, in MiB; `None` where the system does not say.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    fs::write("/proc/self/clear_refs", "5").ok()?;
    Some(kibibytes >> 10)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints")]
fn main() -> Result<(), Box<dyn Error>> {
    let given = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let requests = given.map_or(Ok(REQUESTS), |text| text.parse())?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    fs::create_dir_all(&folder)?;
    let path = |name: &str| -> PathBuf { folder.join(format!("diff-{name}.blkr")) };
    let (base, same) = (path("base"), path("same"));
    let (changed, edited) = (path("changed"), path("edited"));
    write(&base, requests, Made { run: 1, changed: false })?;
    write(&same, requests, Made { run: 2, changed: false })?;
    write(&changed, requests, Made { run: 3, changed: true })?;
    write(&edited, requests, Made { run: 1, changed: true })?;
    resident();
    let loose = Facts::ALL.without(Fact::Payload);
    for (align, facts, new, what) in [
        (Align::Epoch, Facts::ALL, &same, "recorded apart"),
        (Align::Epoch, Facts::ALL, &changed, "different"),
        (Align::Epoch, loose, &same, "recorded apart, without payload"),
        (Align::Key, Facts::ALL, &same, "recorded apart"),
        (Align::Key, Facts::ALL, &changed, "different"),
        (Align::Order, Facts::ALL, &base, "the same file"),
        (Align::Order, Facts::ALL, &edited, "different"),
        (Align::Conflict, Facts::ALL, &base, "the same file"),
        (Align::Conflict, Facts::ALL, &edited, "different"),
        // There are no data in the traces.
        (Align::State, loose, &same, "recorded apart, without payload"),
    ] {
        let rule = Rule { align, facts, ..Rule::default() };
        let (Counts { same, different, gave_up }, seconds, cores) = timed(&base, new, &rule)?;
        #[expect(clippy::cast_precision_loss, reason = "one digit is printed")]
        let rate = 2.0 * requests as f64 / seconds / 1e6;
        let resident = resident().map_or_else(|| "?".to_owned(), |mebibytes| mebibytes.to_string());
        println!(
            "diff --align {:<8} {what:<32} {seconds:>6.2} s ({cores:.2} of all cores), {rate:>7.1} million requests a second of both, {resident} MiB resident, {same} same, {different} different, {gave_up} times not all pairs looked for",
            align.name()
        );
    }
    Ok(())
}
