//! A replay put together: trace, images and engine. A [`Setup`] comes in, an engine that is ready, or the account of a
//! whole replay, goes out.
//!
//! It knows no COMMAND. Invariant: what clients are told of a disk is what the trace says that they were told.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::device::{Geometry, OpenOptions, Transfer};
use blkreplay_core::engine::{
    Disk, Engine, Fill, Plan, Player, Recorder, ReplayError, Replayed, Rules, Script, Source,
};
use blkreplay_core::format::{DeviceHeader, Header, ReplayHeader, WriteError};
use blkreplay_core::position::{Finder, Position};
use blkreplay_core::units::Clock;

use crate::clock::MonotonicClock;
use crate::failure::{self, Failure};
use crate::images::{self, OpenedImage, Writes};
use crate::output::facts::uuid_text;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session::{self, TOOL};
use crate::signals;
use crate::trace;
use crate::trace_file::{Overwrite, TraceFile, directory_of};
use crate::verify::{self, Identity};
use crate::words::shell_word;

/// What to replay, and how.
pub(crate) struct Setup {
    /// The trace.
    pub(crate) trace: PathBuf,
    /// The images as they were typed; none if the trace answers.
    pub(crate) images: Vec<PathBuf>,
    /// What the trace holds.
    pub(crate) plan: Plan,
    /// How to go about it.
    pub(crate) rules: Rules,
    /// What takes the place of data that the trace does not have.
    pub(crate) fill: Fill,
    /// The first event that is not replayed any more.
    pub(crate) until: Option<u64>,
    /// Which images will do.
    pub(crate) identity: Identity,
    /// What becomes of what is written.
    pub(crate) writes: Writes,
    /// Around the page cache.
    pub(crate) direct: bool,
    /// Where the replay's own trace goes.
    pub(crate) output: Option<PathBuf>,
    /// Where the image goes afterwards.
    pub(crate) output_image: Option<PathBuf>,
    /// Whether the outputs may exist.
    pub(crate) overwrite: Overwrite,
}

/// A replay that is ready to begin.
pub(crate) struct Rerun {
    /// What the trace says of itself.
    pub(crate) header: Header,
    /// The images, in the order of the devices.
    pub(crate) images: Vec<OpenedImage>,
    /// The engine, with all devices attached.
    pub(crate) engine: Arc<Engine>,
    /// The devices.
    pub(crate) disks: Vec<Arc<Disk>>,
    /// To be run.
    pub(crate) player: Player,
    trace: PathBuf,
    output: Option<PathBuf>,
}

/// A replay that is over.
pub(crate) struct Done {
    /// What was done.
    pub(crate) replayed: Replayed,
    /// The images as they are now.
    pub(crate) images: Vec<OpenedImage>,
}

impl Rerun {
    /// Opens and checks everything.
    pub(crate) fn prepare(setup: &Setup, printer: &Printer) -> Result<Rerun, Failure> {
        let reader = trace::open(&setup.trace)?;
        let header = reader.header().clone();
        let images = open_images(setup, &header)?;
        verify::check_images(&header, &images, setup.identity)?;
        for (device, image) in header.devices.iter().zip(&images) {
            check_abilities(device, image, setup)?;
        }
        let clock = Arc::new(MonotonicClock::start());
        let recorder = match &setup.output {
            Some(output) => {
                let replay = Some(replay_of(reader.uuid(), &setup.rules));
                let mut header = Header { replay, ..header.clone() };
                // What it reads has digests of its own, whatever the recording has.
                header.edits.anonymized = None;
                Some(start_recorder(output, setup, &header, &clock, printer)?)
            }
            None => None,
        };
        let spill = tempfile::tempfile().map_err(|error| {
            Failure::because("cannot make a file for requests that come early", error)
        })?;
        let script = Script {
            trace: reader,
            plan: setup.plan.clone(),
            rules: setup.rules.clone(),
            recorder,
            spill,
        };
        let engine = Engine::replaying(clock, script)
            .map_err(|error| Failure::because("cannot begin to replay", error))?;
        let disks = attach(&engine, &header, &images, setup.rules.source);
        let mut player = Player::new(&engine, &disks, setup.fill);
        if let Some(event) = setup.until {
            player = player.until(event);
        }
        let (trace, output) = (setup.trace.clone(), setup.output.clone());
        Ok(Rerun { header, images, engine, disks, player, trace, output })
    }

    /// Replays on the images; `None` if somebody interrupted.
    pub(crate) fn on_images(
        self,
        requests: u64,
        printer: &Printer,
    ) -> Result<Option<Done>, Failure> {
        let Rerun { images, engine, player, trace, output, .. } = self;
        let stop = signals::stop_on_signal()?;
        let _asked = signals::tell_when_asked(&engine, printer)?;
        let mut progress = Progress::new(printer, "replaying", Some(requests));
        let outcome = player.run(&stop, &mut |done| progress.update(done));
        drop(progress);
        finish_trace(&engine, output.as_deref(), None)?;
        match outcome {
            Ok(replayed) => Ok(Some(Done { replayed, images })),
            Err(ReplayError::Interrupted { requests: done }) => {
                printer.warn(format_args!("interrupted after {done} of {requests} requests"));
                Ok(None)
            }
            Err(error) => Err(cannot_go_on(&trace, error)),
        }
    }
}

/// Why a replay did not come to its end.
pub(crate) fn cannot_go_on(trace: &Path, error: ReplayError) -> Failure {
    let silent = matches!(error, ReplayError::Silent { .. });
    let failure = Failure::because(format!("cannot replay {}", trace.display()), error);
    if silent { failure.hint("--patience 1m waits longer for a slow disk") } else { failure }
}

/// Ends the replay's own trace with the `status` of COMMAND.
pub(crate) fn finish_trace(
    engine: &Engine,
    output: Option<&Path>,
    status: Option<u8>,
) -> Result<(), Failure> {
    let Some(finished) = engine.finish(status) else { return Ok(()) };
    let output = output.map_or_else(String::new, |path| path.display().to_string());
    finished
        .map(drop)
        .map_err(|error| Failure::because(format!("the trace {output} is not whole"), error))
}

fn open_images(setup: &Setup, header: &Header) -> Result<Vec<OpenedImage>, Failure> {
    if setup.images.is_empty() {
        return Ok(Vec::new());
    }
    let paths = verify::assign_images(header, &setup.images)?;
    images::refuse_image_as(&paths, &setup.trace, "trace")?;
    for output in [&setup.output, &setup.output_image].into_iter().flatten() {
        images::refuse_image_as(&paths, output, "output")?;
    }
    let options = OpenOptions {
        access: setup.writes.access(),
        format: None,
        transfer: if setup.direct { Transfer::Direct } else { Transfer::Buffered },
        create: None,
    };
    let scratch = setup.output.as_deref().map(directory_of);
    images::open_all(&paths, &options, setup.writes, scratch)
}

/// Refuses an image that cannot do what the recorded one could.
fn check_abilities(
    device: &DeviceHeader,
    image: &OpenedImage,
    setup: &Setup,
) -> Result<(), Failure> {
    let surface = image.surface();
    let geometry = surface.geometry();
    let path = image.path.display();
    let (smallest, name) = (geometry.block_min, &device.name);
    // Of a client nobody knows what it may ask.
    let too_small = match setup.rules.source {
        Source::Log => (setup.plan.aligned_to < u64::from(smallest))
            .then(|| format!("the trace has ranges at multiples of {}", setup.plan.aligned_to)),
        Source::Clients | Source::Monitor => (device.block_min < smallest)
            .then(|| format!("clients of {name} were told {}", device.block_min)),
    };
    if let Some(too_small) = too_small {
        let what = format!("{path} takes only multiples of {smallest} bytes, {too_small}");
        return Err(Failure::new(what).hint("without --direct smaller ones can be done, too"));
    }
    if device.discard && !device.read_only && !geometry.discard {
        return Err(Failure::new(format!(
            "{path} cannot discard, the recorded device {name} could"
        ))
        .hint("without --write discards go to the overlay, which can"));
    }
    Ok(())
}

/// Attaches the devices. Clients are told of each what the trace says that they were told.
fn attach(
    engine: &Arc<Engine>,
    header: &Header,
    images: &[OpenedImage],
    source: Source,
) -> Vec<Arc<Disk>> {
    let mut disks = Vec::with_capacity(header.devices.len());
    for (number, device) in header.devices.iter().enumerate() {
        let geometry = Geometry {
            size: device.size,
            block_min: device.block_min,
            block_preferred: device.block_preferred,
            read_only: device.read_only,
            discard: device.discard,
        };
        disks.push(match images.get(number) {
            None => engine.attach_trace(geometry),
            Some(image) => match source {
                Source::Clients | Source::Monitor => engine.attach_as(geometry, image.device()),
                Source::Log => engine.attach(image.device()),
            },
        });
    }
    disks
}

/// Begins the replay's own trace.
/// What the replay's own trace says of itself.
fn replay_of(uuid: u128, rules: &Rules) -> ReplayHeader {
    ReplayHeader { of: uuid_text(uuid), order: rules.order.name().to_owned() }
}

fn start_recorder(
    output: &Path,
    setup: &Setup,
    header: &Header,
    clock: &Arc<MonotonicClock>,
    printer: &Printer,
) -> Result<Recorder, Failure> {
    let cannot_begin = || format!("cannot begin the trace {}", output.display());
    let identity = session::identity().map_err(|error| Failure::because(cannot_begin(), error))?;
    let out = Box::new(TraceFile::create(output, setup.overwrite)?);
    let header = Header {
        tool: TOOL.to_owned(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        wall_clock_ns: clock.wall_clock_ns(),
        recovered: None,
        ..header.clone()
    };
    let (printer, name) = (printer.clone(), output.display().to_string());
    let on_trouble = move |error: &WriteError| {
        let what = format!("stopped writing {name}, the replay goes on");
        printer.error(&Failure::new(failure::with_reasons(&what, error)));
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Recorder::start(out, &header, identity, clock, Box::new(on_trouble)).map_err(|error| {
        // Nothing but our own broken begin is in it.
        let _ = std::fs::remove_file(output);
        Failure::because(cannot_begin(), error)
    })
}

/// The index of the event at a position of the trace.
pub(crate) fn event_at(path: &Path, position: &Position) -> Result<u64, Failure> {
    let cannot = |error| Failure::because(format!("cannot read {}", path.display()), error);
    let mut reader = trace::open(path)?;
    let mut finder = Finder::new(position.clone(), reader.header()).map_err(Failure::of)?;
    let start = finder.seek(&mut reader).map_err(|error| {
        Failure::because(format!("cannot find {position} in {}", path.display()), error)
    })?;
    drop(start);
    while let Some((event, entry)) = reader.next_event().map_err(cannot)? {
        if finder.is_at(event, &entry) {
            return Ok(event);
        }
    }
    Err(Failure::new(format!("{position} is not in {}", path.display()))
        .hint(format!("blkreplay print --events {}", shell_word(path))))
}
