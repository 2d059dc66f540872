//! `replay`: do what a trace recorded again, and say whether it went the same way. Options come in, an account and an
//! exit code go out.
//!
//! Order and comparison are the engine's business; `rerun` puts it together, `live` runs a client. Invariant: whatever
//! can be known to be wrong before the first request is refused before it: the trace, the data of requests, the number,
//! size and contents of images.

use std::ffi::OsString;
use std::path::PathBuf;

use blkreplay_core::engine::{self, Fill, Order, Plan, Replayed, Rules, Source, Timing};
use blkreplay_core::format::Header;
use blkreplay_core::position::Position;
use blkreplay_core::units::Nanos;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::dry_run;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::images::Writes;
use crate::live;
use crate::output_image;
use crate::outputs::OutputArgs;
use crate::printer::Printer;
use crate::report::{Report, tell};
use crate::rerun::{self, Rerun, Setup};
use crate::slip::SlipBound;
use crate::summary;
use crate::trace::{self, Damage, Trace};
use crate::verify::Identity;
use crate::words::shell_word;

/// Threads that ask images: the conductor, which tells them all, keeps up with few.
const HANDS_MAX: usize = 4;

const HELP: &str = "\
Without COMMAND the requests of the trace go to the images, and each read is
compared with what was recorded. With COMMAND the client runs again: it must ask
what it asked, gets what it got, and the answers come in the recorded order.
Then no IMAGE is needed if the trace has the data of all reads (record with
--payload all). Without --write what is written is thrown away, so the images
stay as they are.

Examples:
  blkreplay replay t.blkr disk.img
  blkreplay replay t.blkr copy.img --write
  blkreplay replay t.blkr disk.img --output-image after.img
  blkreplay replay t.blkr disk.img --until flush:3 --output-image then.img
  blkreplay replay t.blkr --dry-run --order conflict
  blkreplay replay t.blkr log=b.img data=a.img --json
  blkreplay replay t.blkr /dev/sdx --write --no-verify --timing recorded
  blkreplay replay t.blkr disk.img -- qemu-io -f raw -c 'read 0 4k' {uri}

Exit codes: 0 as recorded; 1 diverged, or later than --max-slip; 2 trouble: a
wrong image, a damaged trace, an image that does not answer; 3 as recorded, as
far as a damaged trace goes; 130 interrupted.";

/// Do what a trace recorded again, on images or with its client, and check it
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[expect(clippy::struct_excessive_bools, reason = "a flag is a flag")]
pub(crate) struct ReplayArgs {
    /// The trace
    trace: PathBuf,

    /// One image for each device of the trace, in its order; NAME=IMAGE says which. An export will do, as for record
    #[arg(value_name = "[NAME=]IMAGE")]
    images: Vec<PathBuf>,

    /// Let the replay change the images
    #[arg(short, long)]
    write: bool,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    accept: AcceptArgs,

    #[command(flatten)]
    how: HowArgs,

    /// Go around the page cache
    #[arg(long)]
    direct: bool,

    /// Show what would be done, request by request, and do nothing
    #[arg(long, conflicts_with = "command")]
    dry_run: bool,

    /// Print one JSON object, `blkreplay.replay/1`, to standard output
    #[arg(long)]
    json: bool,

    /// The client to run again
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
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

    /// Compare no data, and accept any image that is large enough, such as another disk
    #[arg(long)]
    no_verify: bool,

    /// Make up the data of writes that the trace does not have
    #[arg(long, value_name = "zero|random", value_parser = fill_arg())]
    fill: Option<Fill>,
}

/// How it goes about it.
#[derive(Debug, clap::Args)]
struct HowArgs {
    /// How much of the recorded order is kept
    #[arg(long, value_name = "ORDER", default_value = "recorded", value_parser = order_arg())]
    order: Order,

    /// When requests go, or with COMMAND when answers come; scaled=2x is twice as fast
    #[arg(long, value_name = "asap|recorded|scaled=Nx", default_value = "asap")]
    #[arg(value_parser = timing_arg)]
    timing: Timing,

    /// Requests with the images at once, at most [default: as many as recorded; with another --order 128]
    #[arg(long, value_name = "N", conflicts_with = "command")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    depth: Option<u32>,

    /// Stop before this position: #123, event:123, 1.5s, flush:3, flush:NAME/3, mark:NAME or end
    #[arg(long, value_name = "POSITION")]
    until: Option<Position>,

    /// How many requests ahead of its turn one may come
    #[arg(long, value_name = "N", default_value_t = 16_384, requires = "command")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    window: u32,

    /// How long to wait for a request or an image; longer where the recording did, five times
    #[arg(long, value_name = "TIME", default_value = "10s")]
    patience: Nanos,

    /// What to do about a difference
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    #[arg(value_parser = ["stop", "report"])]
    on_divergence: String,

    /// Fail if requests go out later than this: p99=1ms, max=10ms
    #[arg(long, value_name = "p50|p90|p99|max=TIME", conflicts_with = "command")]
    max_slip: Option<SlipBound>,
}

/// Reads `--order`.
fn order_arg() -> impl TypedValueParser<Value = Order> {
    PossibleValuesParser::new(Order::NAMES.iter().map(|(_, name)| *name)).map(|text| {
        let found = Order::NAMES.iter().find(|(_, name)| *name == text);
        found.expect("clap lets only names of the table pass").0
    })
}

/// Reads `--fill`.
fn fill_arg() -> impl TypedValueParser<Value = Fill> {
    PossibleValuesParser::new(["zero", "random"])
        .map(|text| if text == "zero" { Fill::Zero } else { Fill::Random })
}

/// Reads `--timing`.
fn timing_arg(text: &str) -> Result<Timing, String> {
    let factor = match text {
        "asap" => return Ok(Timing::Asap),
        "recorded" => Some(1.0),
        _ => text.strip_prefix("scaled=").and_then(|text| {
            let factor = text.strip_suffix('x').unwrap_or(text);
            factor.parse().ok()
        }),
    };
    match factor {
        Some(factor) if (0.001..=1_000_000.0).contains(&factor) => Ok(Timing::Scaled(factor)),
        _ => Err("write asap, recorded, or scaled=2x for twice as fast".to_owned()),
    }
}

impl ReplayArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let damage = if self.accept.allow_truncated { Damage::Allowed } else { Damage::Refused };
        let (trace, plan) = trace::plan(&self.trace, damage, printer)?;
        self.check(trace.header(), &plan)?;
        let until = self.until()?;
        if self.dry_run {
            dry_run::print(&self.trace, &plan, &self.rules(), until, self.json, printer)?;
            return Ok(if trace.loss().is_some() { ExitCode::Loss } else { ExitCode::Done });
        }
        let setup = self.setup(&plan, until);
        let outcome = if self.command.is_empty() {
            let rerun = Rerun::prepare(&setup, printer)?;
            rerun.on_images(plan.requests, printer)?
        } else {
            live::run(&setup, &self.command, printer)?
        };
        let Some(done) = outcome else { return Ok(ExitCode::Interrupted) };
        self.conclude(&trace, &setup, &done, printer)
    }

    /// Refuses what cannot be done, before anything is opened.
    fn check(&self, header: &Header, plan: &Plan) -> Result<(), Failure> {
        let live = !self.command.is_empty();
        if self.images.is_empty() && !live && !self.dry_run {
            return Err(Failure::new("a replay needs an image, or a COMMAND to run again")
                .hint(format!("blkreplay replay {} IMAGE", shell_word(&self.trace)))
                .hint(format!("blkreplay replay {} -- COMMAND", shell_word(&self.trace))));
        }
        self.refuse_tokens(header)?;
        if live && self.how.order == Order::None {
            return Err(Failure::new(
                "--order none is for replays on images: a client has its own",
            )
            .hint("--order conflict lets requests that do not conflict go ahead"));
        }
        if live && self.accept.fill.is_some() {
            return Err(Failure::new(
                "--fill is for replays on images: a client brings its own data",
            ));
        }
        if live && self.how.order == Order::Conflict && self.how.timing != Timing::Asap {
            return Err(Failure::new(
                "--timing recorded holds answers in the recorded order, not with --order conflict",
            )
            .hint("leave out one of them"));
        }
        if self.how.max_slip.is_some() && self.how.timing == Timing::Asap {
            return Err(Failure::new("--max-slip needs times to be late for")
                .hint("add --timing recorded, or --timing scaled=2x"));
        }
        if self.images.is_empty() && (self.write || self.output.image.is_some()) {
            return Err(Failure::new("--write and --output-image need an image"));
        }
        if self.images.is_empty() && live {
            plan.needs_reads().map_err(|error| trace::cannot_replay(&self.trace, error))?;
        } else if !live && self.accept.fill.is_none() {
            plan.needs_writes().map_err(|error| trace::cannot_replay(&self.trace, error))?;
        }
        self.output.check(&self.trace, header)
    }

    /// Refuses to compare data with what only stands for data.
    fn refuse_tokens(&self, header: &Header) -> Result<(), Failure> {
        let compares = !self.command.is_empty() || !self.accept.no_verify;
        if header.edits.anonymized.is_none() || self.dry_run || !compares {
            return Ok(());
        }
        let what = "the trace is anonymized: it has tokens for its digests, and no data have those";
        Err(Failure::new(what).hint(
            "--no-verify --fill random  replays what it asks of a disk, and compares nothing",
        ))
    }

    fn rules(&self) -> Rules {
        let live = !self.command.is_empty();
        let source = if live { Source::Clients } else { Source::Log };
        let usual = if self.how.order == Order::Recorded { usize::MAX } else { 128 };
        Rules {
            order: self.how.order,
            timing: self.how.timing,
            depth: self.how.depth.map_or(usual, |depth| depth as usize),
            hands: std::thread::available_parallelism().map_or(1, usize::from).min(HANDS_MAX),
            window: self.how.window as usize,
            patience: self.how.patience,
            goes_on: self.how.on_divergence == "report",
            verify: !self.accept.no_verify,
            ..Rules::of(source)
        }
    }

    /// The first event that is not replayed any more.
    fn until(&self) -> Result<Option<u64>, Failure> {
        self.how.until.as_ref().map(|at| rerun::event_at(&self.trace, at)).transpose()
    }

    fn setup(&self, plan: &Plan, until: Option<u64>) -> Setup {
        let any = self.accept.any_image || self.accept.no_verify;
        Setup {
            trace: self.trace.clone(),
            images: self.images.clone(),
            plan: plan.clone(),
            rules: self.rules(),
            fill: self.accept.fill.unwrap_or(Fill::None),
            until,
            identity: if any { Identity::Any } else { Identity::AsRecorded },
            writes: if self.write { Writes::Kept } else { Writes::ThrownAway },
            direct: self.direct,
            output: self.output.trace.clone(),
            output_image: self.output.image.clone(),
            overwrite: self.output.overwrite(),
        }
    }

    /// Says how it went, writes what is to be written, and decides on the exit code.
    fn conclude(
        &self,
        trace: &Trace,
        setup: &Setup,
        done: &rerun::Done,
        printer: &Printer,
    ) -> Result<ExitCode, Failure> {
        let replayed = &done.replayed;
        let slipped = self.how.max_slip.and_then(|bound| bound.exceeded(replayed));
        let report = self.report(trace, setup, done, slipped.as_deref())?;
        tell(&report, self.json, printer)?;
        summary::tell_of_losses(&done.images, printer);
        if let Some(output) = &self.output.image {
            output_image::write(
                done.images[0].surface().as_ref(),
                output,
                self.output.overwrite(),
            )?;
            let state = state(setup, replayed);
            printer.say("wrote", format_args!("{}  state {state}", output.display()));
        } else {
            summary::tell_of_writes(&done.images, printer);
        }
        if let Some(output) = &self.output.trace {
            printer.say("wrote", format_args!("{}  the replay's own trace", output.display()));
        }
        Ok(match (replayed.divergences.is_empty() && slipped.is_none(), trace.loss()) {
            (false, _) => ExitCode::Different,
            (true, Some(_)) => ExitCode::Loss,
            (true, None) => ExitCode::Done,
        })
    }

    fn report<'a>(
        &'a self,
        trace: &'a Trace,
        setup: &Setup,
        done: &'a rerun::Done,
        slipped: Option<&'a str>,
    ) -> Result<Report<'a>, Failure> {
        let rerun::Done { replayed, images } = done;
        let evidence = replayed.divergences.first().map(|first| {
            engine::evidence(&mut trace::open(&self.trace)?, first).map_err(|error| {
                Failure::because(format!("cannot read {} again", self.trace.display()), error)
            })
        });
        let kept = self.output.image.is_some();
        let thrown_away =
            images.iter().map(|image| image.thrown_away().map(|size| size.0).filter(|_| !kept));
        Ok(Report {
            trace: &self.trace,
            requests: setup.plan.requests,
            recorded: setup.plan.duration,
            replayed,
            until: self.how.until.as_ref().zip(setup.until),
            devices: trace.header().devices.iter().map(|device| device.name.as_str()).collect(),
            evidence: evidence.transpose()?.unwrap_or_default(),
            thrown_away: thrown_away.sum(),
            trace_cut: trace.loss().is_some(),
            live: !self.command.is_empty(),
            from_trace: images.is_empty(),
            slipped,
        })
    }
}

/// When the image was as it is written.
fn state(setup: &Setup, replayed: &Replayed) -> String {
    let stopped = replayed.stopped_at(&setup.rules).and_then(|one| one.expected?.id);
    match (stopped, setup.until) {
        (Some(id), _) => format!("at {id}"),
        (None, Some(event)) => format!("before event {event}"),
        (None, None) => "after the last request".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_are_read_and_nonsense_is_refused() {
        assert_eq!(timing_arg("asap"), Ok(Timing::Asap));
        assert_eq!(timing_arg("recorded"), Ok(Timing::Scaled(1.0)));
        assert_eq!(timing_arg("scaled=2.5x"), Ok(Timing::Scaled(2.5)));
        assert_eq!(timing_arg("scaled=10"), Ok(Timing::Scaled(10.0)));
        for wrong in [
            "",
            "scaled",
            "scaled=",
            "scaled=x",
            "scaled=0x",
            "scaled=2xx",
            "scaled=-1x",
            "scaled=NaNx",
        ] {
            assert!(timing_arg(wrong).is_err(), "{wrong}");
        }
    }
}
