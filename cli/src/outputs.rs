//! The files that a replay leaves behind: its own trace, and the image as it is then. Paths as typed come in, a refusal
//! of what could not be written, or would destroy what is read, goes out.
//!
//! It writes nothing. Invariant: it is asked before the first request, so that nothing is found out after an hour.

use std::fs;
use std::path::{Path, PathBuf};

use blkreplay_core::format::Header;

use crate::failure::Failure;
use crate::images;
use crate::input;
use crate::trace_file::{self, Overwrite, directory_of};

/// What is written.
#[derive(Debug, clap::Args)]
pub(crate) struct OutputArgs {
    /// Where the replay's own trace goes
    #[arg(id = "trace2", short = 'o', long = "output", value_name = "TRACE2")]
    pub(crate) trace: Option<PathBuf>,

    /// Where the image goes as it is when the replay ends: raw, sparse
    #[arg(long = "output-image", value_name = "FILE", conflicts_with = "write")]
    pub(crate) image: Option<PathBuf>,

    /// Overwrite the files of -o and --output-image if they exist
    #[arg(long)]
    force: bool,
}

impl OutputArgs {
    /// Whether the files may exist.
    pub(crate) fn overwrite(&self) -> Overwrite {
        if self.force { Overwrite::Yes } else { Overwrite::No }
    }

    /// Refuses what cannot be written while `trace`, which begins with `header`, is read.
    pub(crate) fn check(&self, trace: &Path, header: &Header) -> Result<(), Failure> {
        for output in [&self.trace, &self.image].into_iter().flatten() {
            refuse_stdout(output)?;
            refuse_trace(trace, output)?;
            trace_file::check_output(output, self.overwrite())?;
        }
        if let (Some(trace), Some(image)) = (&self.trace, &self.image)
            && same_place(trace, image)
        {
            let what = format!("-o and --output-image name one file, {}", image.display());
            return Err(Failure::new(what));
        }
        if self.image.is_some() && header.devices.len() > 1 {
            let devices = header.devices.len();
            let what =
                format!("--output-image writes one image, and the trace has {devices} devices");
            return Err(Failure::new(what).hint("replay onto copies with --write"));
        }
        Ok(())
    }
}

/// `-` means a stream elsewhere, and nobody wants a file of that name.
fn refuse_stdout(output: &Path) -> Result<(), Failure> {
    if input::is_stdin(output) {
        return Err(Failure::new("a replay writes to files, not to standard output")
            .hint("./- is a file of that name"));
    }
    Ok(())
}

/// The trace that is read may be named in more than one way.
fn refuse_trace(trace: &Path, output: &Path) -> Result<(), Failure> {
    let (Ok(read), Ok(written)) = (fs::metadata(trace), fs::metadata(output)) else {
        return Ok(());
    };
    if input::is_stdin(trace) || !images::same_file(&read, &written) {
        return Ok(());
    }
    Err(Failure::new(format!("{} is the trace that is replayed", output.display()))
        .hint("give what the replay writes a name of its own"))
}

/// Whether two paths lead to one name, which need not be there yet.
fn same_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| fs::canonicalize(directory_of(path)).ok();
    one.file_name() == other.file_name() && place(one).is_some_and(|it| place(other) == Some(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ways_to_one_name_are_one_place() {
        let directory = tempfile::tempdir().unwrap();
        let inside = |name: &str| directory.path().join(name);
        fs::create_dir(inside("folder")).unwrap();
        assert!(same_place(&inside("new"), &inside("folder/../new")));
        assert!(!same_place(&inside("new"), &inside("other")));
        assert!(!same_place(&inside("new"), &inside("folder/new")));
        assert!(!same_place(&inside("nowhere/new"), &inside("nowhere/../new")));
    }
}
