//! A trace that a command makes of others: what is refused before anything is read, where it goes, how it appears. Paths and
//! errors come in, a file or words go out.
//!
//! It knows nothing of what is done to events. Invariants: a file appears whole under its name, or not at all; no input is
//! ever written to.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use blkreplay_core::edit::EditError;
use blkreplay_core::format::{Header, Layout, Loss, ReadError, Survey, WriteError, Writer};
use tempfile::NamedTempFile;

use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session;
use crate::trace;
use crate::trace_file::{self, Overwrite, directory_of};
use crate::words::shell_word;

/// How the result is packed: it is read more often than it is made.
pub(crate) const LAYOUT: Layout = Layout::Columns { level: 3 };

/// Where the result goes.
#[derive(Debug, clap::Args)]
pub(crate) struct EditOutput {
    /// Where the new trace goes; `-` is standard output
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,
}

/// What the result is written to.
#[derive(Debug)]
pub(crate) enum Place {
    File(NamedTempFile),
    Stdout(File),
}

impl Write for Place {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Place::File(file) => file.write(bytes),
            Place::Stdout(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Place::File(file) => file.flush(),
            Place::Stdout(file) => file.flush(),
        }
    }
}

/// A writer of the result.
pub(crate) type EditWriter = Writer<BufWriter<Place>>;

impl EditOutput {
    /// Refuses what cannot be written while `inputs` are read, before they are.
    pub(crate) fn check(&self, inputs: &[PathBuf]) -> Result<(), Failure> {
        if self.is_stdout() {
            if io::stdout().is_terminal() {
                return Err(Failure::new("refused to write a trace to a terminal")
                    .hint("-o FILE, or pipe it into another command"));
            }
            return Ok(());
        }
        let file = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
        let output = file(&self.output);
        let is_output = |path: &&PathBuf| {
            !input::is_stdin(path) && file(path).is_some_and(|input| output == Some(input))
        };
        if inputs.iter().any(|path| is_output(&path)) {
            let what = format!("{} is a trace that is read", self.output.display());
            return Err(Failure::new(what)
                .hint("write to another file, and move it over the first when it is there"));
        }
        trace_file::check_output(&self.output, self.overwrite())
    }

    fn is_stdout(&self) -> bool {
        input::is_stdin(&self.output)
    }

    fn overwrite(&self) -> Overwrite {
        if self.force { Overwrite::Yes } else { Overwrite::No }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> String {
        if self.is_stdout() {
            "standard output".to_owned()
        } else {
            self.output.display().to_string()
        }
    }

    /// Says what to run next, if the result is where a command finds it.
    pub(crate) fn say_next(&self, command: &str, printer: &Printer) {
        self.say("next", command, printer);
    }

    /// Says how to see that nothing is in it that should not be.
    pub(crate) fn say_check(&self, command: &str, printer: &Printer) {
        self.say("check it", command, printer);
    }

    fn say(&self, label: &str, command: &str, printer: &Printer) {
        if !self.is_stdout() {
            let output = shell_word(&self.output);
            printer.say(label, format_args!("blkreplay {command} {output}"));
        }
    }

    /// Begins the result. It is a recording of its own, with a name of its own.
    pub(crate) fn begin(&self, header: &Header) -> Result<EditWriter, Failure> {
        let place = if self.is_stdout() {
            Place::Stdout(trace_file::standard_output()?)
        } else {
            let file = NamedTempFile::new_in(directory_of(&self.output));
            Place::File(file.map_err(|error| self.cannot_write(error))?)
        };
        let identity = session::identity().map_err(|error| self.cannot_write(error))?;
        let begun = Writer::create(BufWriter::new(place), header, identity.salt, identity.uuid);
        Ok(begun.map_err(|error| self.write_failed(error))?.laid_out(LAYOUT))
    }

    /// Puts what was written under its name.
    pub(crate) fn finish(&self, out: BufWriter<Place>) -> Result<(), Failure> {
        let place = out.into_inner().map_err(|error| self.cannot_write(error.into()))?;
        let Place::File(file) = place else { return Ok(()) };
        // Whoever sees the name after a power cut has all of it.
        file.as_file().sync_all().map_err(|error| self.cannot_write(error))?;
        let placed = match self.overwrite() {
            Overwrite::Yes => file.persist(&self.output),
            Overwrite::No => file.persist_noclobber(&self.output),
        };
        placed.map_err(|error| self.cannot_write(error.error))?;
        Ok(())
    }

    fn cannot_write(&self, error: io::Error) -> Failure {
        if self.is_stdout() {
            return Failure::output(error);
        }
        Failure::because(format!("cannot write {}", self.output.display()), error)
    }

    fn write_failed(&self, error: WriteError) -> Failure {
        match error {
            WriteError::Io { source, .. } if self.is_stdout() => Failure::output(source),
            error => Failure::because(format!("cannot write {}", self.name()), error),
        }
    }

    /// How a command ends that `error` ended, which came of the trace at `input`.
    pub(crate) fn ended(
        &self,
        error: EditError,
        input: &Path,
        printer: &Printer,
    ) -> Result<ExitCode, Failure> {
        match error {
            EditError::Interrupted { .. } => {
                printer.warn(if self.is_stdout() {
                    "interrupted; what was written is cut"
                } else {
                    "interrupted; nothing was written"
                });
                Ok(ExitCode::Interrupted)
            }
            EditError::Loss(loss) => Ok(refuse_loss(input, &loss, printer)),
            EditError::Read(error) => Err(cannot_read(input, error)),
            EditError::Write(error) => Err(self.write_failed(error)),
            error => Err(Failure::because(input::name(input).display().to_string(), error)),
        }
    }
}

/// What is known of a trace at once; `Err` with how the command ends if something of it is missing.
pub(crate) fn survey(path: &Path, printer: &Printer) -> Result<Result<Survey, ExitCode>, Failure> {
    let survey = trace::open(path)?.survey().map_err(|error| cannot_read(path, error))?;
    Ok(match &survey.loss {
        Some(loss) => Err(refuse_loss(path, loss, printer)),
        None => Ok(survey),
    })
}

/// Shows how far it is, and ends when it is to.
pub(crate) fn heard(
    mut progress: Progress,
    stop: &AtomicBool,
) -> impl FnMut(u64) -> ControlFlow<()> {
    move |done| {
        progress.update(done);
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Says that something of a trace is missing; how a command ends that needs all of it.
pub(crate) fn refuse_loss(path: &Path, loss: &Loss, printer: &Printer) -> ExitCode {
    let name = input::name(path);
    let word = if input::is_stdin(path) { "FILE".to_owned() } else { shell_word(path) };
    let failure = Failure::new(format!("{} is not whole: {loss}", name.display()));
    printer.error(&failure.hint(format!("blkreplay recover {word} -o OTHER saves what is whole")));
    ExitCode::Loss
}

/// Why a trace cannot be read to its end.
pub(crate) fn cannot_read(path: &Path, error: ReadError) -> Failure {
    Failure::because(format!("cannot read {} further", input::name(path).display()), error)
}
