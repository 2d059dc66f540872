//! `demo`: the whole way in a second: record a client, print what it did, replay it, compare. A directory comes
//! in, a story goes out.
//!
//! Nothing in here is done in a way of its own: the recording is a [`Session`], and the rest are the commands
//! that it names. Invariant: it needs no tools, no rights and no network, and says where everything lies.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use blkreplay_core::device::{OpenOptions, Transfer};
use blkreplay_core::format::{FingerprintMethod, PayloadPolicy};
use blkreplay_core::units::Size;

use crate::args::{self, Parsed};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::images::Writes;
use crate::printer::Printer;
use crate::session::{Finished, Plan, Session};
use crate::socket::{Endpoint, Reach};
use crate::summary;
use crate::trace_file::{Destination, Overwrite, SyncWhen};
use crate::words::{program, shell_word};
use crate::workload;

const HELP: &str = "\
Examples:
  blkreplay demo
  blkreplay demo --dir ./demo

Exit codes: 0 all went as it should; 1 the replay diverged or left another image; 2 trouble.";

/// See it work: record a built-in client, print what it did, replay it, compare the disks, look through the trace
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct DemoArgs {
    /// Where the files go; a new directory under TMPDIR unless given
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// The files of a demo.
struct Files {
    /// The disk that the client works on.
    disk: PathBuf,
    /// The disk as it was before, for the replay.
    copy: PathBuf,
    trace: PathBuf,
}

impl DemoArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let files = Files::make(self.dir.as_deref())?;

        printer.title("1. Record: a small client works on disk.img, through a real NBD socket");
        summary::tell(&files.plan(), files.record(printer)?, printer)?;

        printer.title("2. Print: what it did, one line a request");
        run_command(&["print".as_ref(), &files.trace], printer)?;

        printer.title("3. Replay: the same again on copy.img, which is as disk.img was before");
        let replay = ["replay".as_ref(), &*files.trace, &*files.copy, "--write".as_ref()];
        let code = run_command(&replay, printer)?;
        if code != ExitCode::Done {
            return Ok(code);
        }

        printer.title("4. Compare: disk.img and copy.img");
        match first_difference(&files.disk, &files.copy)? {
            None => {
                let size = Size(workload::DISK_BYTES);
                printer.say("same", format_args!("all {size}, byte for byte"));
            }
            Some(place) => {
                printer.say("differ", format_args!("first at byte {place}"));
                return Ok(ExitCode::Different);
            }
        }
        if io::stdin().is_terminal() && io::stdout().is_terminal() {
            printer.title("5. Inspect: look through it, by keys; Enter begins, q ends");
            wait_for_enter()?;
            run_command(&["inspect".as_ref(), &files.trace], printer)?;
        }
        files.tell_what_next(printer);
        Ok(ExitCode::Done)
    }
}

/// The screen would hide what was told before it could be read.
fn wait_for_enter() -> Result<(), Failure> {
    let read = io::stdin().read_line(&mut String::new());
    read.map(drop).map_err(|error| Failure::because("cannot read from the terminal", error))
}

/// Runs a command as if it had been typed.
fn run_command(words: &[&Path], printer: &Printer) -> Result<ExitCode, Failure> {
    let typed = words.iter().map(|word| shell_word(word.as_os_str())).collect::<Vec<_>>();
    printer.command(format_args!("{} {}", program(), typed.join(" ")));
    let words = std::iter::once("blkreplay".into()).chain(words.iter().map(Into::into));
    match args::parse(words) {
        Parsed::Run(cli) => super::dispatch(cli.command, printer),
        Parsed::Tell(text, _) | Parsed::Refuse(text, _) => Err(Failure::new(text)),
    }
}

impl Files {
    /// Makes the directory and two equal, empty disks in it.
    fn make(directory: Option<&Path>) -> Result<Files, Failure> {
        let directory = match directory {
            Some(directory) => {
                let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
                made.map(|()| directory.to_owned())
            }
            None => tempfile::Builder::new()
                .prefix("blkreplay-demo-")
                .tempdir()
                .map(tempfile::TempDir::keep),
        };
        let directory =
            directory.map_err(|error| Failure::because("cannot make the directory", error))?;
        let files = Files {
            disk: directory.join("disk.img"),
            copy: directory.join("copy.img"),
            trace: directory.join("demo.blkr"),
        };
        for path in [&files.disk, &files.copy] {
            let made = File::create_new(path).and_then(|file| file.set_len(workload::DISK_BYTES));
            made.map_err(|error| {
                Failure::because(format!("cannot create {}", path.display()), error)
                    .hint("--dir DIR puts the files elsewhere")
            })?;
        }
        Ok(files)
    }

    fn plan(&self) -> Plan {
        Plan {
            images: vec![self.disk.clone()],
            open: OpenOptions {
                access: Writes::Kept.access(),
                format: None,
                transfer: Transfer::Buffered,
                create: None,
            },
            writes: Writes::Kept,
            payload: PayloadPolicy::Write,
            fingerprint: FingerprintMethod::Sample,
            output: Destination::File(self.trace.clone()),
            max_size: None,
            overwrite: Overwrite::No,
            sync: SyncWhen::None,
        }
    }

    /// Records the built-in client.
    fn record(&self, printer: &Printer) -> Result<Finished, Failure> {
        let (endpoint, listener) = Endpoint::listen(None, Reach::Loopback)?;
        let places = endpoint.places(1);
        let session = Session::start(&self.plan(), listener, None, printer)?;
        for line in session.serving(&places) {
            printer.say("serving", line);
        }
        let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
            Failure::because("the built-in client failed", error)
        };
        let socket = places.socket.unwrap_or_default();
        let stream = UnixStream::connect(socket).map_err(|error| cannot(error.into()))?;
        workload::run(stream).map_err(|error| cannot(error.into()))?;
        Ok(session.finish(None))
    }

    /// Commands that work as they are, from here.
    fn tell_what_next(&self, printer: &Printer) {
        let (trace, disk) = (shell_word(&self.trace), shell_word(&self.disk));
        let program = program();
        printer
            .title("The trace is yours. Look closer, or see a replay on the wrong disk refused:");
        for rest in [
            format!("print --events {trace}"),
            format!("info {trace}"),
            format!("replay {trace} {disk}"),
        ] {
            printer.command(format_args!("{program} {rest}"));
        }
        printer.title("Then record a client of your own:");
        printer.command(format_args!("{program} record --help"));
    }
}

/// The first byte in which two files differ; `None` if they are equal.
fn first_difference(one: &Path, other: &Path) -> Result<Option<u64>, Failure> {
    let open = |path: &Path| {
        let file = File::open(path);
        file.map_err(|error| Failure::because(format!("cannot read {}", path.display()), error))
    };
    let (one, other) = (open(one)?, open(other)?);
    compare(BufReader::new(one), BufReader::new(other))
        .map_err(|error| Failure::because("cannot compare the disks", error))
}

fn compare(one: impl BufRead, other: impl BufRead) -> io::Result<Option<u64>> {
    let (mut one, mut other) = (one.bytes(), other.bytes());
    for place in 0.. {
        match (one.next().transpose()?, other.next().transpose()?) {
            (None, None) => return Ok(None),
            (one, other) if one == other => {}
            _ => return Ok(Some(place)),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_to_the_last_byte() {
        let check = |one: &[u8], other: &[u8], place| {
            assert_eq!(compare(one, other).unwrap(), place);
        };
        check(b"disk", b"disk", None);
        check(b"disk", b"dusk", Some(1));
        check(b"disk", b"disks", Some(4));
        check(b"", b"", None);
    }
}
