//! `replay`: do what a trace recorded again, on images, and say whether it went the same way. Options come in,
//! an account and an exit code go out.
//!
//! Order and comparison are the engine's business. Invariant: whatever can be known to be wrong before the
//! first request is refused before it: the trace, the data of writes, the number, size and contents of images.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::device::{BlockDevice, OpenOptions, Pool, Transfer};
use blkreplay_core::engine::{self, Plan, ReplayError, ReplayOptions, Replayed};
use blkreplay_core::format::Header;
use blkreplay_core::units::Nanos;

use crate::clock::MonotonicClock;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::images::{self, OpenedImage, Writes};
use crate::output_image;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::report::Report;
use crate::signals;
use crate::summary;
use crate::trace::{self, Damage, Trace};
use crate::trace_file::{self, Overwrite};
use crate::verify::{self, Identity};

/// Threads of one image that wait for its disk.
const POOL_THREADS: usize = 8;

/// An image that has not answered for so long is trouble.
const PATIENCE: Nanos = Nanos(10_000_000_000);

const HELP: &str = "\
Requests go to the images in the recorded order, and each read is compared with what was recorded.
Without --write what is written is thrown away at the end, so the images stay as they are.

Examples:
  blkreplay replay t.blkr disk.img
  blkreplay replay t.blkr copy.img --write
  blkreplay replay t.blkr disk.img --output-image after.img
  blkreplay replay t.blkr log=b.img data=a.img --json

Exit codes: 0 as recorded; 1 diverged; 2 trouble: a wrong image, a damaged trace, an image that
does not answer; 3 as recorded, as far as a damaged trace goes; 130 interrupted.";

/// Do what a trace recorded again, on images, and check each read
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ReplayArgs {
    /// The trace
    trace: PathBuf,

    /// One image for each device of the trace, in its order; NAME=IMAGE says which
    #[arg(value_name = "[NAME=]IMAGE", required = true)]
    images: Vec<PathBuf>,

    /// Let the replay change the images
    #[arg(short, long)]
    write: bool,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    accept: AcceptArgs,

    /// Go around the page cache
    #[arg(long)]
    direct: bool,

    /// Print one JSON object, `blkreplay.replay/1`, to standard output
    #[arg(long)]
    json: bool,
}

/// What is written.
#[derive(Debug, clap::Args)]
struct OutputArgs {
    /// Where the image as it is after the last request goes: raw, sparse
    #[arg(long = "output-image", value_name = "FILE", conflicts_with = "write")]
    image: Option<PathBuf>,

    /// Overwrite the file of --output-image if it exists
    #[arg(long)]
    force: bool,
}

/// What would be refused.
#[derive(Debug, clap::Args)]
struct AcceptArgs {
    /// Accept images that are not those that were recorded
    #[arg(long)]
    any_image: bool,

    /// Accept a trace that is cut or damaged, as far as it goes
    #[arg(long)]
    allow_truncated: bool,
}

impl ReplayArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let damage = if self.accept.allow_truncated { Damage::Allowed } else { Damage::Refused };
        let (trace, plan) = trace::plan(&self.trace, damage, printer)?;
        let header = trace.header();
        if let Some(output) = &self.output.image {
            check_output(output, header, self.overwrite())?;
        }
        let images = self.open_images(header)?;
        let identity = if self.accept.any_image { Identity::Any } else { Identity::AsRecorded };
        verify::check_images(header, &images, identity)?;
        let Some(replayed) = play(&self.trace, &plan, &images, printer)? else {
            return Ok(ExitCode::Interrupted);
        };
        self.tell(&trace, &plan, &images, &replayed, printer)?;
        if let Some(output) = &self.output.image {
            output_image::write(images[0].surface().as_ref(), output, self.overwrite())?;
            let until = match &replayed.divergence {
                Some(divergence) => format!("at {}", divergence.id),
                None => "after the last request".to_owned(),
            };
            printer.say("wrote", format_args!("{}  state {until}", output.display()));
        } else {
            summary::tell_of_writes(&images, printer);
        }
        Ok(match (&replayed.divergence, trace.loss()) {
            (Some(_), _) => ExitCode::Different,
            (None, Some(_)) => ExitCode::Loss,
            (None, None) => ExitCode::Done,
        })
    }

    fn overwrite(&self) -> Overwrite {
        if self.output.force { Overwrite::Yes } else { Overwrite::No }
    }

    fn open_images(&self, header: &Header) -> Result<Vec<OpenedImage>, Failure> {
        let paths = verify::assign_images(header, &self.images)?;
        images::refuse_image_as(&paths, &self.trace, "trace")?;
        if let Some(output) = &self.output.image {
            images::refuse_image_as(&paths, output, "output")?;
            images::refuse_image_as(std::slice::from_ref(&self.trace), output, "output")?;
        }
        let writes = if self.write { Writes::Kept } else { Writes::ThrownAway };
        let options = OpenOptions {
            access: writes.access(),
            format: None,
            transfer: if self.direct { Transfer::Direct } else { Transfer::Buffered },
            create: None,
        };
        images::open_all(&paths, &options, writes, None)
    }

    /// Says how it went: in words, and in JSON if that was asked for.
    fn tell(
        &self,
        trace: &Trace,
        plan: &Plan,
        images: &[OpenedImage],
        replayed: &Replayed,
        printer: &Printer,
    ) -> Result<(), Failure> {
        let last_writer = match &replayed.divergence {
            Some(divergence) => trace::last_writer(&self.trace, divergence)?,
            None => None,
        };
        let thrown_away = images.iter().map(|image| image.thrown_away().map(|size| size.0));
        let report = Report {
            trace: &self.trace,
            requests: plan.requests,
            recorded: plan.duration,
            replayed,
            devices: trace.header().devices.iter().map(|device| device.name.as_str()).collect(),
            last_writer,
            thrown_away: thrown_away.sum(),
            trace_cut: trace.loss().is_some(),
        };
        if self.json {
            let mut output = printer.output();
            serde_json::to_writer(&mut output, &report.json())
                .map_err(|error| Failure::output(error.into()))?;
            output.write_all(b"\n").map_err(Failure::output)?;
            output.finish()?;
        }
        printer.say("replayed", report.line());
        if let Some(divergence) = &replayed.divergence {
            let hints = report.hints(divergence);
            printer.account(&report.account(divergence), &hints);
        }
        Ok(())
    }
}

/// Refuses what could not be written after an hour of replaying.
fn check_output(output: &Path, header: &Header, overwrite: Overwrite) -> Result<(), Failure> {
    if header.devices.len() > 1 {
        let devices = header.devices.len();
        let what = format!("--output-image writes one image, and the trace has {devices} devices");
        return Err(Failure::new(what).hint("replay onto copies with --write"));
    }
    trace_file::check_output(output, overwrite)
}

/// Replays; `None` if somebody interrupted.
fn play(
    path: &Path,
    plan: &Plan,
    images: &[OpenedImage],
    printer: &Printer,
) -> Result<Option<Replayed>, Failure> {
    let mut reader = trace::open(path)?;
    let pool =
        |image: &OpenedImage| Pool::new(image.surface(), POOL_THREADS) as Arc<dyn BlockDevice>;
    let devices: Vec<_> = images.iter().map(pool).collect();
    let stop = signals::stop_on_signal()?;
    let mut progress = Progress::new(printer, "replaying", Some(plan.requests));
    let outcome = engine::replay(
        &mut reader,
        plan,
        &devices,
        ReplayOptions {
            clock: &MonotonicClock::start(),
            patience: PATIENCE,
            stop: &stop,
            progress: &mut |done| progress.update(done),
        },
    );
    drop(progress);
    match outcome {
        Ok(replayed) => Ok(Some(replayed)),
        Err(ReplayError::Interrupted { requests }) => {
            printer
                .warn(format_args!("interrupted after {requests} of {} requests", plan.requests));
            Ok(None)
        }
        Err(error) => Err(Failure::because(format!("cannot replay {}", path.display()), error)),
    }
}
