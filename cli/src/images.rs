//! The images of a recording or a replay. Paths, and addresses of exports, come in; opened images with names and overlays
//! go out.
//!
//! It knows no clients and no traces. Invariants: one file is never opened twice; without a word from the
//! user no image is opened for writing.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blkreplay_core::device::{
    self, Access, BlockDevice, Image, ImageFormat, OpenError, OpenOptions, Overlay, Pool,
};
use blkreplay_core::limits::DEVICES_MAX;
use blkreplay_core::nbd::{Loss, Remote};
use blkreplay_core::units::Size;

use crate::failure::Failure;
use crate::remote_image;
use crate::words::shell_word;

/// Threads of one image that wait for its disk.
const POOL_THREADS: usize = 8;

/// Threads of one image that wait for a server, which is further away than a disk and can do more at once.
const REMOTE_THREADS: usize = 32;

/// What happens to what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writes {
    /// It goes to an overlay that is thrown away.
    ThrownAway,
    /// It changes the image (`--write`).
    Kept,
}

impl Writes {
    /// What an image is opened for.
    pub(crate) fn access(self) -> Access {
        match self {
            Writes::ThrownAway => Access::ReadOnly,
            Writes::Kept => Access::ReadWrite,
        }
    }
}

/// An image, ready to be used.
pub(crate) struct OpenedImage {
    /// As it was named on the command line.
    pub(crate) path: PathBuf,
    /// The device's printed name: the file's stem, made unique.
    pub(crate) name: String,
    /// What it is.
    pub(crate) format: ImageFormat,
    /// What the file holds, below the overlay.
    pub(crate) base: Arc<dyn Image>,
    overlay: Option<Arc<Overlay>>,
    /// The base, if it is an export of another server.
    remote: Option<Arc<Remote>>,
    length_at_first: Option<u64>,
}

impl OpenedImage {
    /// What clients use: the overlay, or the image itself.
    pub(crate) fn surface(&self) -> Arc<dyn Image> {
        match &self.overlay {
            Some(overlay) => Arc::clone(overlay) as Arc<dyn Image>,
            None => Arc::clone(&self.base),
        }
    }

    /// The same with queues: an export has its own, where nothing lies above it.
    pub(crate) fn device(&self) -> Arc<dyn BlockDevice> {
        match (&self.remote, &self.overlay) {
            (Some(remote), None) => Arc::clone(remote) as Arc<dyn BlockDevice>,
            (Some(_), Some(_)) => Pool::new(self.surface(), REMOTE_THREADS),
            (None, _) => Pool::new(self.surface(), POOL_THREADS),
        }
    }

    /// Why its server is of no use any more, if it has one, and that is so.
    pub(crate) fn loss(&self) -> Option<&Loss> {
        self.remote.as_ref().and_then(|remote| remote.loss())
    }

    /// Bytes that were written and will be thrown away; `None` if they are kept.
    pub(crate) fn thrown_away(&self) -> Option<Size> {
        self.overlay.as_ref().map(|overlay| Size(overlay.written_bytes()))
    }

    /// Whether the file is shorter or longer than it was, which nobody but another program can have done.
    pub(crate) fn changed_size(&self) -> bool {
        self.length_at_first.is_some() && length(&self.path, self.format) != self.length_at_first
    }
}

/// Bytes in the file of a raw image; other formats grow as they are written, and devices do not.
fn length(path: &Path, format: ImageFormat) -> Option<u64> {
    let metadata = fs::metadata(path).ok().filter(Metadata::is_file);
    metadata.filter(|_| format == ImageFormat::Raw).map(|metadata| metadata.len())
}

/// Opens the images at `paths`. Overlays lie in unlinked files in `scratch`, or in TMPDIR.
pub(crate) fn open_all(
    paths: &[PathBuf],
    options: &OpenOptions,
    writes: Writes,
    scratch: Option<&Path>,
) -> Result<Vec<OpenedImage>, Failure> {
    if paths.len() > DEVICES_MAX {
        let images = paths.len();
        return Err(Failure::new(format!(
            "{images} images are too many; the limit is {DEVICES_MAX}"
        )));
    }
    refuse_one_file_twice(paths)?;
    remote_image::refuse_one_twice(paths)?;
    let names = device_names(paths);
    let opened =
        paths.iter().zip(names).map(|(path, name)| open(path, name, options, writes, scratch));
    opened.collect()
}

fn open(
    path: &Path,
    name: String,
    options: &OpenOptions,
    writes: Writes,
    scratch: Option<&Path>,
) -> Result<OpenedImage, Failure> {
    let (base, format, remote) = if let Some(address) = remote_image::address_of(path)? {
        let remote = remote_image::open(path, &address, options)?;
        (Arc::clone(&remote) as Arc<dyn Image>, ImageFormat::Raw, Some(remote))
    } else {
        let opened = device::open(path, options).map_err(|error| cannot_open(path, error))?;
        (opened.image, opened.format, None)
    };
    let length_at_first = if remote.is_none() { length(path, format) } else { None };
    let overlay = match writes {
        Writes::Kept => None,
        Writes::ThrownAway => {
            let file = scratch.map_or_else(tempfile::tempfile, tempfile::tempfile_in);
            let file = file.map_err(|error| {
                let place = scratch.map_or_else(std::env::temp_dir, Path::to_owned);
                let what = format!("cannot make a file for the overlay in {}", place.display());
                Failure::because(what, error)
            })?;
            Some(Arc::new(Overlay::new(Arc::clone(&base), file)))
        }
    };
    let path = path.to_owned();
    Ok(OpenedImage { path, name, format, base, overlay, remote, length_at_first })
}

fn cannot_open(path: &Path, error: OpenError) -> Failure {
    let hint = error.hint().filter(|_| !matches!(error, OpenError::Missing { .. }));
    let hint = hint.map(|hint| hint.replace("FILE", &shell_word(path)));
    hint.into_iter().fold(Failure::of(error), Failure::hint)
}

/// Two paths may name one file; a block device is one whatever its nodes.
pub(crate) fn same_file(one: &Metadata, other: &Metadata) -> bool {
    if one.file_type().is_block_device() && other.file_type().is_block_device() {
        one.rdev() == other.rdev()
    } else {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }
}

/// Two writers of one file would undo each other's work.
fn refuse_one_file_twice(paths: &[PathBuf]) -> Result<(), Failure> {
    let mut seen: Vec<(&Path, Metadata)> = Vec::new();
    for path in paths {
        // A file that is not there yet, or cannot be looked at, is told of when it is opened.
        let Ok(metadata) = fs::metadata(path) else { continue };
        if let Some((first, _)) = seen.iter().find(|(_, other)| same_file(&metadata, other)) {
            return Err(if *first == path {
                Failure::new(format!("the image {} is given twice", path.display()))
            } else {
                let (one, other) = (first.display(), path.display());
                Failure::new(format!("the images {one} and {other} are one file"))
            });
        }
        seen.push((path, metadata));
    }
    Ok(())
}

/// An image that is not there is made only when that was asked for.
pub(crate) fn refuse_missing(images: &[PathBuf]) -> Result<(), Failure> {
    let missing = |path: &&PathBuf| {
        !remote_image::is_meant_by(path) && matches!(path.try_exists(), Ok(false))
    };
    let Some(path) = images.iter().find(missing) else { return Ok(()) };
    let failure = Failure::new(format!("the image {} does not exist", path.display()));
    Err(match images.len() {
        1 => failure.hint("--create 1G makes a new, empty image of that size"),
        // Whoever forgets the two dashes gives us the words of COMMAND as images.
        _ => {
            failure.hint("two dashes go before COMMAND: blkreplay record IMAGE -o TRACE -- COMMAND")
        }
    })
}

/// Refuses a file that is one of the images and has another `role`, too.
pub(crate) fn refuse_image_as(paths: &[PathBuf], file: &Path, role: &str) -> Result<(), Failure> {
    let Ok(metadata) = fs::metadata(file) else { return Ok(()) };
    let same = |path: &&PathBuf| fs::metadata(path).is_ok_and(|image| same_file(&image, &metadata));
    match paths.iter().find(same) {
        Some(path) => {
            let (file, path) = (file.display(), path.display());
            Err(Failure::new(format!("the {role} {file} and the image {path} are one file")))
        }
        None => Ok(()),
    }
}

/// The printed name of each device: its file's stem or its export's name, made unique, without what could upset a terminal.
pub(crate) fn device_names(paths: &[PathBuf]) -> Vec<String> {
    let mut taken = HashSet::new();
    let unique = |path: &PathBuf| {
        let stem = match remote_image::address_of(path) {
            Ok(Some(address)) => address.name(),
            _ => path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        };
        let stem = stem.replace(|c: char| c.is_control() || c.is_whitespace(), "_");
        let numbered = (2_u64..).map(|number| format!("{stem}-{number}"));
        let mut candidates = std::iter::once(stem.clone()).chain(numbered);
        candidates.find(|name| taken.insert(name.clone())).unwrap_or(stem)
    };
    paths.iter().map(unique).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_are_stems_made_unique() {
        let check = |paths: &[&str], names: &[&str]| {
            let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
            assert_eq!(device_names(&paths), names, "{paths:?}");
        };
        check(&["disk.img"], &["disk"]);
        check(&["a/disk.img", "b/disk.qcow2", "disk"], &["disk", "disk-2", "disk-3"]);
        check(&["disk-2.img", "disk.img", "disk.raw"], &["disk-2", "disk", "disk-3"]);
        check(&["nbd://host/a/disk", "disk.img", "nbd:unix:/x/s"], &["disk", "disk-2", "s"]);
        check(&["/dev/sda", ".hidden", "my disk\x1b.img"], &["sda", ".hidden", "my_disk_"]);
    }

    #[test]
    fn one_file_under_two_names_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (one, other) = (directory.path().join("one"), directory.path().join("other"));
        fs::write(&one, "image").unwrap();
        fs::hard_link(&one, &other).unwrap();
        let missing = directory.path().join("missing");
        assert!(refuse_one_file_twice(&[one.clone(), missing.clone(), missing]).is_ok());
        let refused = refuse_one_file_twice(&[one.clone(), other.clone()]).unwrap_err();
        assert!(refused.to_string().contains("are one file"), "{refused}");
        let refused = refuse_one_file_twice(&[one.clone(), one.clone()]).unwrap_err();
        assert!(refused.to_string().contains("given twice"), "{refused}");
        let refused = refuse_image_as(&[one], &other, "output").unwrap_err();
        assert!(refused.to_string().starts_with("the output "), "{refused}");
    }
}
