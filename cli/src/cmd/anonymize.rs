//! `anonymize`: a trace that can be shown around. A trace comes in, one without names and data goes out, and what was taken
//! away is said.
//!
//! What is taken away is decided in core. Invariant: a key comes from the system or from a file, and is written nowhere.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use blkreplay_core::edit::{self, EditError, Groups, Key, Removed, Shuffle};
use blkreplay_core::format::{Header, Survey};
use blkreplay_core::units::Size;

use crate::edited::{self, EditOutput};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::input;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::session::TOOL;
use crate::signals;
use crate::trace;
use crate::words::{Count, counted, shell_word};

const ANONYMIZE_HELP: &str = "\
Taken away: data, digests (equal ones get equal tokens), names of devices, images, exports and marks, command line, wall clock, \
fingerprints, cookies, and the events of a virtual machine. That data are all zeroes is still known. Kept: operations, lengths, \
flags, order, times since the beginning, results, who asked over which connection; and offsets, unless --map-offsets is given.

Examples:
  blkreplay anonymize t.blkr -o share.blkr                 and look at it before you share it
  blkreplay anonymize t.blkr -o share.blkr --map-offsets   nor where on the disk it was
  blkreplay anonymize a.blkr -o b.blkr --key-file secret   equal data have equal tokens in all that have this key

Exit codes: 0 written, 2 trouble, 3 the trace is cut or damaged: nothing was written; 130 interrupted.";

/// Bytes of a new key.
const KEY_BYTES: usize = 32;

/// What is read of a key file at most, in bytes.
const KEY_FILE_BYTES_MAX: u64 = 1 << 20;

/// Shortest extent, in bytes.
const EXTENT_BYTES_MIN: u64 = 512;

/// Take names and data out of a trace, to share it
#[derive(Debug, clap::Args)]
#[command(after_help = ANONYMIZE_HELP)]
pub(crate) struct AnonymizeArgs {
    /// The trace; `-` is standard input
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Move extents of this many bytes about on each device; what one request touches stays together
    #[arg(long, value_name = "SIZE", num_args = 0..=1, default_missing_value = "1M")]
    #[arg(require_equals = true)]
    map_offsets: Option<Size>,

    /// Make tokens with the secret in FILE instead of a new one; keep it to yourself
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    #[command(flatten)]
    output: EditOutput,
}

impl AnonymizeArgs {
    pub(crate) fn run(self, printer: &Printer) -> Result<ExitCode, Failure> {
        self.output.check(std::slice::from_ref(&self.trace))?;
        let extent = self.map_offsets.map(|size| size.0);
        if extent.is_some_and(|extent| extent < EXTENT_BYTES_MIN || !extent.is_power_of_two()) {
            let what = "--map-offsets takes a power of two, 512 bytes or more";
            return Err(Failure::new(what).hint("--map-offsets=1M"));
        }
        let survey = match edited::survey(&self.trace, printer)? {
            Ok(survey) => survey,
            Err(code) => return Ok(code),
        };
        let key = self.key()?;
        let stop = signals::stop_on_signal()?;
        let shuffle = match extent {
            Some(extent) => match self.shuffle(extent, &key, &survey, &stop, printer)? {
                Ok(shuffle) => Some(shuffle),
                Err(error) => return self.output.ended(error, &self.trace, printer),
            },
            None => None,
        };
        let header = edit::nameless(&survey.header, &key, TOOL, extent);
        match self.write(&header, &key, shuffle.as_ref(), &survey, &stop, printer)? {
            Ok(removed) => self.tell(&survey.header, &removed, shuffle.as_ref(), printer),
            Err(error) => return self.output.ended(error, &self.trace, printer),
        }
        Ok(ExitCode::Done)
    }

    fn key(&self) -> Result<Key, Failure> {
        let Some(path) = &self.key_file else {
            let mut secret = [0; KEY_BYTES];
            let random = File::open("/dev/urandom").and_then(|mut it| it.read_exact(&mut secret));
            random.map_err(|error| Failure::because("cannot make a key", error))?;
            return Ok(Key::of(&secret));
        };
        let secret = read_key(path)
            .map_err(|error| Failure::because(format!("cannot read {}", path.display()), error))?;
        if secret.len() < KEY_BYTES / 2 || secret.len() as u64 > KEY_FILE_BYTES_MAX {
            let what = format!("{} holds no key: 16 bytes to 1 MiB are one", path.display());
            return Err(Failure::new(what).hint("head -c 32 /dev/urandom > KEY  makes one"));
        }
        Ok(Key::of(&secret))
    }

    fn shuffle(
        &self,
        extent: u64,
        key: &Key,
        survey: &Survey,
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Result<Shuffle, EditError>, Failure> {
        let mut groups = Groups::new(&survey.header, extent).map_err(|error| {
            let failure = Failure::because("cannot move the extents of this trace", error);
            failure.hint("--map-offsets=64M has fewer of them")
        })?;
        let mut reader = trace::open(&self.trace)?;
        let total = survey.facts.operations.total().issues;
        let progress = Progress::new(printer, "looking", Some(total));
        let grouped = edit::group(&mut reader, &mut groups, &mut edited::heard(progress, stop));
        Ok(grouped.map(|()| groups.shuffled(key)))
    }

    fn write(
        &self,
        header: &Header,
        key: &Key,
        shuffle: Option<&Shuffle>,
        survey: &Survey,
        stop: &AtomicBool,
        printer: &Printer,
    ) -> Result<Result<Removed, EditError>, Failure> {
        let mut reader = trace::open(&self.trace)?;
        let writer = self.output.begin(header)?;
        let total = survey.facts.operations.total().issues;
        let progress = Progress::new(printer, "anonymizing", Some(total));
        let mut heard = edited::heard(progress, stop);
        match edit::anonymize(&mut reader, writer, key, shuffle, &mut heard) {
            Ok((out, _, removed)) => self.output.finish(out).map(|()| Ok(removed)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn tell(
        &self,
        header: &Header,
        removed: &Removed,
        shuffle: Option<&Shuffle>,
        printer: &Printer,
    ) {
        let digests = counted(removed.digests, "digest");
        let data = counted(removed.data, "payload");
        printer.say("wrote", self.output.name());
        printer.say("removed", format_args!("the data of {data}; {digests}, with tokens instead"));
        let marks = counted(removed.marks, "mark");
        let devices = counted(header.devices.len() as u64, "device");
        printer.say(
            "removed",
            format_args!("the names of {devices} and {marks}, command line, wall clock, fingerprints, cookies"),
        );
        if removed.guest > 0 {
            let guest = counted(removed.guest, "event");
            printer.say("removed", format_args!("{guest} of the virtual machine"));
        }
        if removed.unknown > 0 {
            let unknown = counted(removed.unknown, "note");
            printer.say("removed", format_args!("{unknown} of a later version"));
        }
        let offsets = match shuffle {
            None => "offsets, ".to_owned(),
            Some(shuffle) => {
                let (moved, all) = shuffle.moved();
                let extent = Size(shuffle.extent());
                let (moved, all) = (Count(moved), Count(all));
                printer.say("moved", format_args!("{moved} of {all} extents of {extent}"));
                String::new()
            }
        };
        printer.say(
            "kept",
            format_args!("operations, {offsets}lengths, flags, order, times since the beginning, results, which data are equal or zeroes"),
        );
        if !input::is_stdin(&self.trace) {
            let trace = shell_word(&self.trace);
            self.output.say_check(&format!("stats {trace}"), printer);
        }
    }
}

fn read_key(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut secret = Vec::new();
    File::open(path)?.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut secret)?;
    Ok(secret)
}
