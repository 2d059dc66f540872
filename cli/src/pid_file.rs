//! The file that says which process serves: a path comes in, a file with our number goes out once there is somebody to
//! connect to.
//!
//! Invariants: who sees the file sees it whole; a file that is no PID file, or of a process that lives, is never
//! replaced; only our own is removed.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;
use tempfile::NamedTempFile;

use crate::failure::Failure;
use crate::trace_file::directory_of;
use crate::words::shell_word;

/// Longest PID file, in bytes: a number of 64 bits and the end of its line.
const BYTES_MAX: u64 = 21;

/// A file that is ready to get its name.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    file: NamedTempFile,
}

/// A file that has it. Dropping it removes the file.
#[derive(Debug)]
pub(crate) struct Named {
    path: PathBuf,
}

impl PidFile {
    /// Writes it beside its place. Fails if it could not be put there.
    pub(crate) fn prepare(path: &Path) -> Result<PidFile, Failure> {
        let cannot = |error| cannot(path, error);
        if let Some(pid) = standing(path)? {
            return Err(Failure::new(format!(
                "process {pid} lives, which {} is of",
                path.display()
            ))
            .hint(format!("if that is another program by now: rm {}", shell_word(path))));
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".blkreplay-pid-").permissions(Permissions::from_mode(0o644));
        let mut file = builder.tempfile_in(directory_of(path)).map_err(cannot)?;
        writeln!(file, "{}", std::process::id()).map_err(cannot)?;
        Ok(PidFile { path: path.to_owned(), file })
    }

    /// Puts it in its place.
    pub(crate) fn name(self) -> Result<Named, Failure> {
        let cannot = |error| cannot(&self.path, error);
        // One that was left behind is replaced; whoever came meanwhile is not.
        let persisted = match standing(&self.path)? {
            None => self.file.persist(&self.path),
            Some(_) => self.file.persist_noclobber(&self.path),
        };
        persisted.map_err(|error| cannot(error.error))?;
        Ok(Named { path: self.path })
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // Somebody may have put another file there meanwhile.
        if standing(&self.path).is_ok_and(|pid| pid == Some(Pid::this())) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The process of the file at `path`, if it lives; `None` if there is no such file, or no such process.
fn standing(path: &Path) -> Result<Option<Pid>, Failure> {
    let mut text = String::new();
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(path, error)),
        Ok(metadata) => metadata,
    };
    let foreign = || {
        Failure::new(format!("{} exists, and is no PID file", path.display()))
            .hint("--pid-file FILE writes a file of its own")
    };
    if !metadata.is_file() {
        return Err(foreign());
    }
    let file = fs::File::open(path).map_err(|error| cannot(path, error))?;
    let read = file.take(BYTES_MAX + 1).read_to_string(&mut text);
    let pid = text.strip_suffix('\n').unwrap_or(&text).parse::<i32>();
    let (Ok(_), Ok(pid @ 1..)) = (read, pid) else { return Err(foreign()) };
    let pid = Pid::from_raw(pid);
    // No signal is sent; that it may not be sent means that there is somebody.
    Ok(match signal::kill(pid, None) {
        Err(Errno::ESRCH) => None,
        Ok(()) | Err(_) => Some(pid),
    })
}

fn cannot(path: &Path, error: io::Error) -> Failure {
    Failure::because(format!("cannot write the PID file {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that is no more.
    fn dead() -> u32 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        pid
    }

    #[test]
    fn it_is_there_while_it_has_its_name_and_whole_from_the_first_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let prepared = PidFile::prepare(&path).unwrap();
        assert!(!path.exists());
        let named = prepared.name().unwrap();
        let ours = format!("{}\n", std::process::id());
        assert_eq!(fs::read_to_string(&path).unwrap(), ours);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        drop(named);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn one_of_a_process_that_lives_is_refused_and_one_that_was_left_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        fs::write(&path, format!("{}\n", std::process::id())).unwrap();
        let refused = PidFile::prepare(&path).unwrap_err();
        assert!(refused.to_string().contains("lives") && refused.hints()[0].contains("rm "));
        fs::write(&path, dead().to_string()).unwrap();
        let _named = PidFile::prepare(&path).unwrap().name().unwrap();
    }

    #[test]
    fn what_is_no_pid_file_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        for text in ["", "disk", "-1\n", "0\n", "12 34\n", "99999999999999999999999"] {
            fs::write(&path, text).unwrap();
            let refused = PidFile::prepare(&path).unwrap_err();
            assert!(refused.to_string().contains("is no PID file"), "{text:?}: {refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert!(PidFile::prepare(directory.path()).is_err());
        assert!(PidFile::prepare(&directory.path().join("none/pid")).is_err());
    }

    #[test]
    fn a_file_that_came_meanwhile_is_neither_replaced_nor_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let prepared = PidFile::prepare(&path).unwrap();
        fs::write(&path, format!("{}\n", std::process::id())).unwrap();
        assert!(prepared.name().is_err());
        fs::remove_file(&path).unwrap();
        let named = PidFile::prepare(&path).unwrap().name().unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another's").unwrap();
        drop(named);
        assert!(path.exists());
    }
}
