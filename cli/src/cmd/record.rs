//! `record`: serve images to a client and keep what it does. Options come in, a trace and an exit code go out.
//!
//! It decides what a signal and an end mean; serving itself is the business of `session`. Invariant: whatever
//! ends the recording, the trace is finished, the socket removed, and the client's status handed on unless we
//! have trouble of our own.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::device::{ImageFormat, OpenOptions, Transfer};
use blkreplay_core::format::{FingerprintMethod, PayloadPolicy};
use blkreplay_core::nbd::{Listener, Secure};
use blkreplay_core::units::Size;
use clap::builder::{OsStringValueParser, PossibleValuesParser, TypedValueParser};

use crate::beside::Beside;
use crate::bounds::Bounds;
use crate::child::{Ended, Places, RecordedCommand, Speaks};
use crate::control::Control;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::front::{Front, FrontArgs};
use crate::images::{self, Writes};
use crate::looking;
use crate::pid_file::{self, PidFile};
use crate::printer::Printer;
use crate::serving::{Until, serve};
use crate::session::{Finished, Plan, Session};
use crate::signals::{self, Signals};
use crate::socket::Endpoint;
use crate::summary;
use crate::trace_file::{self, Destination, Overwrite, SyncWhen};
use crate::words::shell_word;

const HELP: &str = "\
An image is never changed unless --write is given: what the client writes is thrown away at the end.

COMMAND finds the image by these, inside words too:
  {uri} or {uri:0}    the first image, $BLKREPLAY_URI in the environment
  {uri:1}, {uri:2}…   the others, $BLKREPLAY_URI_1, $BLKREPLAY_URI_2…
  {socket}            the path of the socket, $BLKREPLAY_SOCKET

It can name a point of the recording: blkreplay mark NAME (by $BLKREPLAY_CONTROL).

With -o - the trace goes to standard output, and what COMMAND prints to standard error.

A socket that systemd or libnbd hands over (LISTEN_FDS) is served in place of one of our own.

Without COMMAND, blkreplay serves until it is interrupted, or --max-size or --duration is reached; with one, the \
recording stops there, the trace is whole, and COMMAND is served on, unrecorded.

Examples:
  blkreplay record disk.img -o t.blkr -- qemu-img convert -n -O raw some.img {uri}
  blkreplay record disk.img -o t.blkr --write -- sh -c 'nbdcopy some.img \"$BLKREPLAY_URI\"'
  blkreplay record new.img --create 1G -o t.blkr -- fio --ioengine=nbd --uri={uri} job.fio
  blkreplay record disk.qcow2 -o t.blkr --listen unix:/tmp/d.sock --duration 10m
  blkreplay record disk.img -o t.blkr --sync chunk -- ./client.sh
  blkreplay record disk.img -o - -- ./client.sh | blkreplay print -F -
  blkreplay record disk.img -o t.blkr --listen tcp:0.0.0.0:10809 --tls-cert c.pem --tls-key k.pem
  blkreplay record disk.img -o t.blkr --inspect -- ./client.sh    and look at it meanwhile
  blkreplay record nbd://host/disk -o t.blkr -- ./client.sh    the export of another server
  blkreplay record 'nbds://host/disk?tls-certificates=DIR' -o t.blkr -- ./client.sh    under TLS
  blkreplay record 'nbd+unix:///disk?socket=/run/d.sock' -o t.blkr --write -- ./client.sh

Exit codes: the status of COMMAND (127 not found, 126 not executable, 128+n ended by signal n); \
without one 0; 2 trouble of our own: nothing recorded, or the trace is not whole.";

/// Serve images to a client and record what it does
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub(crate) struct RecordArgs {
    /// What to serve: raw or qcow2 files, block devices, or exports of other NBD servers: `nbd://HOST/EXPORT`
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,

    /// Where the trace goes; `-` is standard output, `none` serves without recording
    #[arg(short, long, value_name = "TRACE|-|none")]
    #[arg(value_parser = OsStringValueParser::new().map(output_arg))]
    output: Destination,

    /// Let the client change the images
    #[arg(short, long)]
    write: bool,

    /// Make the image first, of this size (64M, 1G); implies --write
    #[arg(long, value_name = "SIZE")]
    create: Option<Size>,

    /// What the images are
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    #[arg(value_parser = image_format())]
    format: FormatArg,

    /// What to keep of the data: nothing, digests, the data of writes, or of reads, too
    #[arg(long, value_name = "WHAT", default_value = "write")]
    #[arg(value_parser = named(&PayloadPolicy::NAMES))]
    payload: PayloadPolicy,

    /// How to know the images again: by 257 blocks, by every byte, or by size only
    #[arg(long, value_name = "HOW", default_value = "sample")]
    #[arg(value_parser = named(&FingerprintMethod::NAMES))]
    fingerprint: FingerprintMethod,

    /// Go around the page cache
    #[arg(long)]
    direct: bool,

    #[command(flatten)]
    front: FrontArgs,

    #[command(flatten)]
    bounds: Bounds,

    /// Overwrite TRACE if it exists
    #[arg(long)]
    force: bool,

    /// Look at the trace in the inspector while it is recorded; what COMMAND prints goes into a file
    #[arg(long)]
    inspect: bool,

    /// With chunk, what is in the trace survives a power cut: the disk is waited for at each chunk
    #[arg(long, value_name = "WHEN", value_enum, default_value = "none")]
    sync: SyncWhen,

    /// The client to run; the recording ends with it
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// `--format` as typed.
#[derive(Debug, Clone, Copy)]
struct FormatArg(Option<ImageFormat>);

/// Reads `-o`.
fn output_arg(text: OsString) -> Destination {
    match text.to_str() {
        Some("none") => Destination::Nowhere,
        Some("-") => Destination::Stdout,
        _ => Destination::File(text.into()),
    }
}

/// Reads `--format`.
fn image_format() -> impl TypedValueParser<Value = FormatArg> {
    let names = ImageFormat::NAMES.iter().map(|(_, name)| *name);
    PossibleValuesParser::new(["auto"].into_iter().chain(names)).map(|text| {
        let format = ImageFormat::NAMES.iter().find(|(_, name)| *name == text);
        FormatArg(format.map(|(format, _)| *format))
    })
}

/// Reads one of `names`.
fn named<T: Copy + Send + Sync>(
    names: &'static [(T, &'static str)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(names.iter().map(|(_, name)| *name)).map(|text| {
        let found = names.iter().find(|(_, name)| *name == text);
        found.expect("clap lets only names of the table pass").0
    })
}

impl RecordArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        self.check()?;
        let found = self.front.find()?;
        let signals =
            Signals::catch().map_err(|error| Failure::because("cannot catch signals", error))?;
        let front = self.front.listen(found)?;
        self.check_command(&front.endpoint)?;
        self.front.warn(&front, printer);
        let Front { endpoint, listener, secure, pid_file } = front;
        let (control_place, control) = endpoint.listen_for_control()?;
        let places = Places {
            control: Some(control_place.path.as_os_str().to_owned()),
            ..endpoint.places(self.images.len())
        };
        let command = match self.command.as_slice() {
            [] => None,
            words => Some(RecordedCommand::new(words, &places)?),
        };
        let bounds = self.bounds.clone();
        let inspects = self.inspect;
        let plan = self.plan();
        let looked_at = plan.output.path().filter(|_| inspects);
        let beside = looked_at.map(|trace| Beside::new(trace, printer)).transpose()?;
        let Some(session) = start(&plan, listener, secure, &signals, printer)? else {
            return Ok(ExitCode::Interrupted);
        };
        let (session, _pid_file) = announced(session, pid_file)?;
        let _control = Control::start(control, session.engine())
            .map_err(|error| Failure::because("cannot serve the control socket", error))?;
        let _asked = signals::tell_when_asked(session.engine(), printer)?;
        let then = if command.is_some() { "; COMMAND is served on" } else { "" };
        let watch = bounds
            .watch(session.engine(), then, printer)
            .map_err(|error| Failure::because("cannot watch the recording", error))?;
        let lines = session.serving(&places);
        let until = Until { signals: &signals, watch: watch.as_ref(), one: endpoint.is_stdio() };
        let recorded = match (command, beside) {
            (Some(command), None) => {
                for line in &lines {
                    printer.detail(format_args!("serving  {line}"));
                }
                let speaks = match plan.output {
                    Destination::Stdout => Speaks::ToStderr,
                    Destination::Nowhere | Destination::File(_) => Speaks::ToStdout,
                };
                run_command(command, speaks, session, &signals)
            }
            (Some(command), Some(beside)) => {
                let record = || run_command(command, Speaks::Aside, session, &signals);
                beside.record(&lines, record)?
            }
            (None, None) => {
                serve(&session, &places, &until, printer);
                Ok(Recorded::alone(session))
            }
            (None, Some(beside)) => {
                let record = || {
                    serve(&session, &places, &until, printer);
                    Ok(Recorded::alone(session))
                };
                beside.record(&lines, record)?
            }
        }?;
        drop(watch);
        recorded.tell(&plan, printer)
    }

    /// Refuses what cannot be done, before anything is made.
    fn check(&self) -> Result<(), Failure> {
        if self.create.is_none() {
            images::refuse_missing(&self.images)?;
        }
        self.bounds.check()?;
        if self.inspect && self.output.path().is_none() {
            return Err(Failure::new("--inspect looks at a trace in a file of its own")
                .hint("blkreplay record IMAGE -o - -- COMMAND | blkreplay inspect -F -"));
        }
        if self.inspect && !looking::has_screen() {
            return Err(Failure::new("--inspect needs a terminal, and standard output is none")
                .hint("blkreplay inspect -F TRACE  looks at it from another terminal"));
        }
        if self.front.is_stdio() {
            self.check_stdio()?;
        }
        match self.output {
            Destination::Nowhere | Destination::Stdout if self.sync == SyncWhen::Chunk => {
                Err(Failure::new("--sync chunk needs a trace in a file of its own")
                    .hint("blkreplay record IMAGE -o t.blkr --sync chunk"))
            }
            Destination::Nowhere if self.bounds.are_given() => {
                Err(Failure::new("-o none records nothing that --max-size or --duration could end"))
            }
            Destination::Stdout => trace_file::standard_output().map(drop),
            Destination::Nowhere | Destination::File(_) => Ok(()),
        }
    }

    /// Refuses what does not go together with a client on standard input and output.
    fn check_stdio(&self) -> Result<(), Failure> {
        if self.output == Destination::Stdout {
            return Err(Failure::new("--listen stdio and -o - both want standard output")
                .hint("blkreplay record IMAGE -o t.blkr --listen stdio"));
        }
        if !self.command.is_empty() {
            return Err(Failure::new(
                "with --listen stdio the client is there already; a COMMAND would have no way to us",
            )
            .hint("leave out --listen, and COMMAND finds the image by {uri}"));
        }
        Ok(())
    }

    /// Refuses a COMMAND that cannot be told where we are.
    fn check_command(&self, endpoint: &Endpoint) -> Result<(), Failure> {
        if self.command.is_empty() || endpoint.has_address() {
            return Ok(());
        }
        let what = "the socket that was handed over has no path by which COMMAND could find it";
        Err(Failure::new(what).hint("leave out COMMAND, or give the socket a path"))
    }

    fn plan(self) -> Plan {
        let keep = self.write || self.create.is_some();
        let writes = if keep { Writes::Kept } else { Writes::ThrownAway };
        Plan {
            images: self.images,
            open: OpenOptions {
                access: writes.access(),
                format: self.format.0,
                transfer: if self.direct { Transfer::Direct } else { Transfer::Buffered },
                create: self.create,
            },
            writes,
            payload: self.payload,
            fingerprint: self.fingerprint,
            output: self.output,
            max_size: self.bounds.size(),
            overwrite: if self.force { Overwrite::Yes } else { Overwrite::No },
            sync: self.sync,
        }
    }
}

/// What was recorded.
struct Recorded {
    finished: Finished,
    /// How COMMAND ended, if there was one, and whether it asked anything.
    ended: Option<(Ended, bool)>,
}

impl Recorded {
    fn alone(session: Session) -> Recorded {
        Recorded { finished: session.finish(None), ended: None }
    }

    /// Says what became of it all.
    fn tell(self, plan: &Plan, printer: &Printer) -> Result<ExitCode, Failure> {
        match &self.ended {
            Some((Ended { trouble: Some(trouble), .. }, _)) => printer.error(trouble),
            Some((_, false)) => warn_of_silence(printer),
            Some((_, true)) | None => {}
        }
        tell(plan, self.finished, printer)?;
        Ok(self.ended.map_or(ExitCode::Done, |(ended, _)| ExitCode::Command(ended.status)))
    }
}

/// Runs COMMAND and ends the recording with it.
fn run_command(
    command: RecordedCommand,
    speaks: Speaks,
    session: Session,
    signals: &Signals,
) -> Result<Recorded, Failure> {
    let ended = command.run(speaks, signals)?;
    let asked = session.requests() > 0;
    let finished = session.finish(Some(ended.status));
    Ok(Recorded { finished, ended: Some((ended, asked)) })
}

/// A COMMAND that never came to us most likely does not know where we are.
fn warn_of_silence(printer: &Printer) {
    printer.warn("COMMAND asked nothing of the image");
    printer.hint("it finds the image as {uri}, or as $BLKREPLAY_URI in its environment");
}

/// Says what became of it all, and what to run next.
fn tell(plan: &Plan, finished: Finished, printer: &Printer) -> Result<(), Failure> {
    summary::tell(plan, finished, printer)?;
    if let Some(output) = plan.output.path() {
        printer.say("next", format_args!("blkreplay print {}", shell_word(output)));
    }
    Ok(())
}

/// Tells that clients can come; if that does not work, the session is over.
fn announced(
    session: Session,
    pid_file: Option<PidFile>,
) -> Result<(Session, Option<pid_file::Named>), Failure> {
    match pid_file.map(PidFile::name).transpose() {
        Ok(named) => Ok((session, named)),
        Err(failure) => {
            session.finish(None);
            Err(failure)
        }
    }
}

/// Begins the session; `None` if somebody interrupts meanwhile. A whole fingerprint takes its time.
fn start(
    plan: &Plan,
    listener: Listener,
    secure: Option<Arc<dyn Secure>>,
    signals: &Signals,
    printer: &Printer,
) -> Result<Option<Session>, Failure> {
    let (plan, printer) = (plan.clone(), printer.clone());
    let session = signals
        .unless_interrupted(move || Session::start(&plan, listener, secure, &printer))
        .map_err(|error| Failure::because("cannot begin to serve", error))?;
    session.transpose()
}
