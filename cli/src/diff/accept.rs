//! Taking a new trace for a baseline. Paths in, a file that is whole under its name out.
//!
//! Invariants: a trace that is not whole is never taken; a baseline that is text stays text; nothing is written where `CI` is set,
//! unless somebody said that it may be.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use blkreplay_core::diff;
use blkreplay_core::open::Found;

use super::pair::survey;
use super::{texts, whole};
use crate::canonical_lines;
use crate::failure::Failure;
use crate::input::{self, Input};
use crate::lines::Stop;
use crate::qemu_log::LayoutArg;
use crate::trace;
use crate::trace_file::directory_of;

/// What is added to the name of a baseline for what may become it.
const PENDING: &str = ".new";

/// Whether a variable says yes.
fn is_set(name: &str) -> bool {
    let value = std::env::var_os(name).unwrap_or_default();
    !["", "0", "false"].iter().any(|no| value == OsStr::new(no))
}

/// Whether we run where nothing may be written.
pub(crate) fn is_ci() -> bool {
    is_set("CI")
}

/// Refuses to write a baseline in CI, unless `BLKREPLAY_BLESS` is set.
pub(crate) fn refuse_in_ci() -> Result<(), Failure> {
    if is_ci() && !is_set("BLKREPLAY_BLESS") {
        return Err(Failure::new("CI is set, and there no baseline is written")
            .hint("accept at home and commit, or set BLKREPLAY_BLESS=1"));
    }
    Ok(())
}

/// Where what may become a baseline waits.
pub(crate) fn pending(baseline: &Path) -> PathBuf {
    let mut name = baseline.as_os_str().to_owned();
    name.push(PENDING);
    name.into()
}

/// Whether what has this name may wait for a baseline.
pub(super) fn is_pending(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(PENDING.as_bytes())
}

/// Writes to `to` what `baseline` would be of `new`; `to` may be the baseline.
pub(crate) fn put(baseline: &Path, new: &Path, to: &Path) -> Result<(), Failure> {
    let is_there = baseline.try_exists().unwrap_or(false);
    let wants_text = if is_there {
        texts::is_text(baseline)?
    } else {
        baseline.extension() == Some(OsStr::new("txt"))
    };
    let is_text = texts::is_text(new)?;
    if is_text && !wants_text {
        let (name, text) = (baseline.display(), input::name(new));
        let text = text.display();
        return Err(if is_there {
            Failure::new(format!("{name} is a trace, and {text} is text"))
                .hint("a text has not all that a trace has")
        } else {
            Failure::new(format!("{text} is text, and by its name {name} would be a trace"))
                .hint("a baseline that is text has a name that ends with .txt")
        });
    }
    refuse_damage(new, is_text)?;
    let cannot =
        |error: io::Error| Failure::because(format!("cannot write {}", to.display()), error);
    let mode =
        fs::metadata(to).or_else(|_| fs::metadata(baseline)).map(|there| there.permissions());
    // Behind a link, what it leads to is written.
    let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let beside = tempfile::Builder::new()
        .prefix(".blkreplay-")
        .permissions(mode.unwrap_or_else(|_| Permissions::from_mode(0o600)))
        .tempfile_in(directory_of(&to))
        .map_err(cannot)?;
    let mut out = BufWriter::new(beside);
    if wants_text && !is_text {
        let trace = trace::open(new)?;
        let printed = canonical_lines::print(new, trace, None, None, &mut out);
        printed.map_err(|stop| stopped(stop, new, &to))?;
    } else {
        io::copy(&mut BufReader::new(Input::open(new)?), &mut out).map_err(cannot)?;
    }
    let beside = out.into_inner().map_err(|error| cannot(error.into_error()))?;
    beside.persist(&to).map_err(|error| cannot(error.error))?;
    Ok(())
}

fn stopped(stop: Stop, new: &Path, to: &Path) -> Failure {
    match stop {
        Stop::Again(failure) => failure,
        Stop::Read(error) => {
            Failure::because(format!("cannot read {} further", new.display()), error)
        }
        Stop::Write(error) => Failure::because(format!("cannot write {}", to.display()), error),
        // Nobody named a place.
        Stop::Device(_) | Stop::Nowhere(_) => Failure::of(stop),
    }
}

/// Refuses what is not whole.
fn refuse_damage(new: &Path, is_text: bool) -> Result<(), Failure> {
    let name = input::name(new).display().to_string();
    if is_text {
        return diff::survey_text(BufReader::new(Input::open(new)?))
            .map(|_| ())
            .map_err(|error| Failure::because(format!("{name} is not canonical text"), error));
    }
    let (_, kind) = LayoutArg { forced: None }.look(new)?;
    if kind == Found::QemuLog {
        return Ok(());
    }
    whole::refuse_loss(&survey(new)?, new)
}

/// Makes of `new` the baseline.
pub(crate) fn bless(baseline: &Path, new: &Path) -> Result<(), Failure> {
    refuse_in_ci()?;
    if input::is_stdin(baseline) {
        return Err(Failure::new("a baseline is a file"));
    }
    put(baseline, new, baseline)
}

/// Takes away what waited for a baseline.
pub(crate) fn forget(pending: &Path) -> Result<(), Failure> {
    match fs::remove_file(pending) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::because(format!("cannot remove {}", pending.display()), error))
        }
        _ => Ok(()),
    }
}

/// Replaces a file, or makes it, so that it is whole under its name.
pub(crate) fn rewrite(path: &Path, text: &str) -> io::Result<()> {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mode = fs::metadata(&path).map(|there| there.permissions());
    let mut beside = tempfile::Builder::new()
        .prefix(".blkreplay-")
        .permissions(mode.unwrap_or_else(|_| Permissions::from_mode(0o644)))
        .tempfile_in(directory_of(&path))?;
    beside.write_all(text.as_bytes())?;
    beside.persist(&path)?;
    Ok(())
}
