//! `compact`: the same trace in the smallest form. A trace comes in, another file goes out.
//!
//! Invariant: the output appears whole under its name, or not at all, and the input is never touched.

use std::fs;
use std::io::{self, BufWriter};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use blkreplay_core::edit::{self, EditError};
use blkreplay_core::format::{Layout, Loss, Survey, Writer, Written};
use blkreplay_core::units::Size;
use tempfile::NamedTempFile;

use crate::edited;
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::signals;
use crate::trace;
use crate::trace_file::{self, Overwrite, directory_of};
use crate::words::counted;

const COMPACT_HELP: &str = "\
Examples:
  blkreplay compact t.blkr -o small.blkr             a quarter of the size, without data
  blkreplay compact t.blkr -o small.blkr --level 19  take the time to save some more

Exit codes: 0 written, 2 trouble, 3 the trace is cut or damaged: nothing was written.";

/// Makes the salt of the output from that of the input, so that compacting twice gives the same bytes.
const NEW_SALT: u64 = 0x636f_6d70_6163_7421;

/// Write the same trace in its smallest form
///
/// The events are laid out by column and packed, and the data are packed harder. All commands read the result
/// as they read the original, and print the same.
#[derive(Debug, clap::Args)]
#[command(after_help = COMPACT_HELP)]
pub(crate) struct CompactArgs {
    /// The trace; `-` is standard input
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Where the compacted trace goes
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,

    /// Overwrite OUT if it exists
    #[arg(long)]
    force: bool,

    /// How hard to pack: the level of zstd, 1 to 22
    #[arg(long, value_name = "N", default_value_t = 9)]
    #[arg(value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
}

/// How copying ended.
enum Outcome {
    Done(NamedTempFile, Box<Written>),
    Loss(Loss),
    Interrupted,
}

impl CompactArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        let overwrite = if self.force { Overwrite::Yes } else { Overwrite::No };
        self.check_output(overwrite)?;
        let before = match edited::survey(&self.input, printer)? {
            Ok(survey) => survey,
            Err(code) => return Ok(code),
        };
        // From here on a signal does not end the process, so that no file is left behind.
        let stop = signals::stop_on_signal()?;
        let file = NamedTempFile::new_in(directory_of(&self.output));
        let file = file.map_err(|error| self.cannot_write(error))?;
        let (file, written) = match self.copy(file, &before, &stop, printer)? {
            Outcome::Done(file, written) => (file, written),
            Outcome::Loss(loss) => return Ok(edited::refuse_loss(&self.input, &loss, printer)),
            Outcome::Interrupted => {
                printer.warn("interrupted; nothing was written");
                return Ok(ExitCode::Interrupted);
            }
        };
        let placed = match overwrite {
            Overwrite::Yes => file.persist(&self.output),
            Overwrite::No => file.persist_noclobber(&self.output),
        };
        placed.map_err(|error| self.cannot_write(error.error))?;
        self.tell(&before, &written, printer)?;
        Ok(ExitCode::Done)
    }

    /// Refuses what cannot be replaced, before anything is read.
    fn check_output(&self, overwrite: Overwrite) -> Result<(), Failure> {
        if input::is_stdin(&self.output) {
            return Err(Failure::new(
                "a compacted trace is written to a file, not to standard output",
            )
            .hint("it appears there when it is whole"));
        }
        self.refuse_input_as_output()?;
        trace_file::check_output(&self.output, overwrite)
    }

    /// The input may be named in more than one way.
    fn refuse_input_as_output(&self) -> Result<(), Failure> {
        let file = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
        let same = !input::is_stdin(&self.input)
            && file(&self.input).is_some_and(|of_input| file(&self.output) == Some(of_input));
        if !same {
            return Ok(());
        }
        Err(Failure::new(format!("{} is the trace itself", self.output.display()))
            .hint("write to another file, and move it over the first when it is there"))
    }

    fn copy(
        &self,
        file: NamedTempFile,
        before: &Survey,
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Outcome, Failure> {
        let mut reader = trace::open(&self.input)?;
        let progress =
            Progress::new(printer, "compacting", Some(before.facts.operations.total().issues));
        let (header, salt, uuid) = (reader.header().clone(), reader.salt(), reader.uuid());
        // A new salt, so that no chunk of the one can pass for a chunk of the other.
        let salt = salt.rotate_left(32) ^ NEW_SALT;
        let out = BufWriter::new(file);
        let begun = Writer::create(out, &header, salt, uuid);
        let copied = begun.map_err(EditError::Write).and_then(|writer| {
            let writer = writer.laid_out(Layout::Columns { level: self.level });
            edit::compact(&mut reader, writer, &mut edited::heard(progress, stop))
        });
        match copied {
            Ok((out, written)) => {
                let file = out.into_inner().map_err(|error| self.cannot_write(error.into()))?;
                // Whoever sees the name after a power cut, and removed the input before it, has all of it.
                file.as_file().sync_all().map_err(|error| self.cannot_write(error))?;
                Ok(Outcome::Done(file, Box::new(written)))
            }
            Err(EditError::Interrupted { .. }) => Ok(Outcome::Interrupted),
            Err(EditError::Loss(loss)) => Ok(Outcome::Loss(loss)),
            Err(EditError::Read(error)) => Err(edited::cannot_read(&self.input, error)),
            Err(EditError::Write(error)) => Err(Failure::because(self.cannot(), error)),
            Err(error) => {
                let name = input::name(&self.input);
                Err(Failure::because(format!("cannot compact {}", name.display()), error))
            }
        }
    }

    fn cannot(&self) -> String {
        format!("cannot write {}", self.output.display())
    }

    fn cannot_write(&self, error: io::Error) -> Failure {
        Failure::because(self.cannot(), error)
    }

    /// Says how much smaller it is. Digests are data to those who want to know what a request costs.
    fn tell(&self, before: &Survey, written: &Written, printer: &Printer) -> Result<(), Failure> {
        let cannot = |error| edited::cannot_read(&self.input, error);
        let after = trace::open(&self.output)?.survey().map_err(cannot)?;
        let requests = written.operations.total().issues;
        let costs = |path| trace::open(path)?.column_costs().map_err(cannot);
        let (old_costs, new_costs) = (costs(&self.input)?, costs(&self.output)?);
        let (old, new) = (Size(before.facts.file_bytes), Size(written.bytes));
        let each = |survey: &Survey, digests: u64| {
            #[expect(clippy::cast_precision_loss, reason = "one digit behind the point is printed")]
            let each =
                survey.facts.events_bytes.saturating_sub(digests) as f64 / requests.max(1) as f64;
            format!("{each:.1}")
        };
        printer.say(
            "wrote",
            format_args!(
                "{}  {}  {old} to {new}  {} to {} bytes a request, without data and digests",
                self.output.display(),
                counted(requests, "request"),
                each(before, old_costs.digests),
                each(&after, new_costs.digests),
            ),
        );
        Ok(())
    }
}
