//! Two trace files that are compared, for tests of programs that use disks. Paths and a rule in, a report out.
//!
//! Invariant: what cannot be compared is an error, never a difference.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{OpenTraceError, trace};
use crate::diff::{
    self, Bounds, DiffError, Fact, Gatherer, Pairing, Report, Rule, Scope, TraceSide, Which,
};
use crate::format::{Loss, PayloadPolicy, ReadError, Survey};

/// Differences that a report keeps.
const KEPT: usize = 20;

/// Requests around the first difference that a report keeps.
const CONTEXT: usize = 3;

/// Why two files cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// One of them is no trace that can be read.
    #[error(transparent)]
    Open(#[from] Box<OpenTraceError>),
    /// One of them cannot be read on.
    #[error("cannot read {} further", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// One of them is cut or damaged.
    #[error("{} is not whole: {loss}", path.display())]
    NotWhole {
        /// The path.
        path: PathBuf,
        /// What is missing.
        loss: Loss,
    },
    /// Events of one of them were never written: its recorder dropped them.
    #[error("{count} events are missing in {}", path.display())]
    EventsDropped {
        /// The path.
        path: PathBuf,
        /// How many events.
        count: u64,
    },
    /// Data are to be compared, and were not recorded.
    #[error("{} says nothing of what was read and written: it was recorded with --payload none", path.display())]
    NoPayloads {
        /// The path.
        path: PathBuf,
    },
    /// They cannot be compared.
    #[error(transparent)]
    Compare(#[from] DiffError),
}

/// Compares the traces at two paths by a rule. What [`Align::State`](diff::Align::State) needs to work in are files without names in
/// the folder of `new`. In a test of a program that works on a recorded disk:
///
/// ```no_run
/// use blkreplay_core::{diff::Rule, open};
///
/// let report = open::compare("tests/boot.blkr", "target/boot.blkr", &Rule::default()).unwrap();
/// assert!(report.is_same(), "{report}");
/// ```
pub fn compare(
    base: impl AsRef<Path>,
    new: impl AsRef<Path>,
    rule: &Rule,
) -> Result<Report, CompareError> {
    let paths = [base.as_ref(), new.as_ref()];
    let surveys = [survey(paths[0], rule)?, survey(paths[1], rule)?];
    let pairing = Pairing::of(&surveys[0].header, &surveys[1].header);
    let side = |which: Which| {
        let path = which.of(paths).to_owned();
        TraceSide::new(move || trace(&path).map_err(Into::into), which, &pairing).by(rule.barrier)
    };
    let (base, new) = (side(Which::Base), side(Which::New));
    let mut gatherer = Gatherer::new(Bounds { most: KEPT, first_only: false, shown: Scope::All });
    diff::compare(&base, &new, rule, &|| beside(paths[1]), &mut gatherer)?;
    let mut report = gatherer.finish();
    report.explain(&base, &new, CONTEXT)?;
    Ok(report)
}

/// A file without a name in the folder in which `path` is.
fn beside(path: &Path) -> io::Result<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(folder.unwrap_or(Path::new(".")), flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

/// What a trace says of itself; refuses one of which not all is there that is to be compared.
fn survey(path: &Path, rule: &Rule) -> Result<Survey, CompareError> {
    let path_buf = || path.to_owned();
    let survey = trace(path)
        .map_err(Box::new)?
        .survey()
        .map_err(|source| CompareError::Read { path: path_buf(), source })?;
    if survey.header.payload == PayloadPolicy::None && rule.facts.has(Fact::Payload) {
        return Err(CompareError::NoPayloads { path: path_buf() });
    }
    match survey {
        Survey { loss: Some(loss), .. } => Err(CompareError::NotWhole { path: path_buf(), loss }),
        survey if survey.facts.lost > 0 => {
            Err(CompareError::EventsDropped { path: path_buf(), count: survey.facts.lost })
        }
        survey => Ok(survey),
    }
}
