//! From a path to an image: what the file is, whether we may have it, and in which format.
//!
//! Nothing is changed by opening (`create` makes a new file, never touches one that is there), and nothing
//! makes it wait: a fifo is refused, a locked image too. Invariant: an image that is handed out is locked,
//! has at least one byte, and is a regular file or a block device.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::Image;
use super::direct::Direct;
use super::file::{File, Parts};
use super::lock::{Holder, LockError, lock};
use super::qcow2::{Qcow2, Qcow2Error};
use crate::units::Size;

/// What a file that is a qcow2 image begins with.
const QCOW2_MAGIC: [u8; 4] = *b"QFI\xfb";

/// How an image may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Never changed. Others may read it, nobody may write it meanwhile.
    ReadOnly,
    /// Changed in place. Nobody else may write it, nor rely on it, meanwhile.
    ReadWrite,
}

/// Whether the page cache is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transfer {
    /// Through the page cache.
    #[default]
    Buffered,
    /// Past it (`O_DIRECT`).
    Direct,
}

/// How the bytes of an image lie in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageFormat {
    /// As they are.
    Raw,
    /// QEMU's format.
    Qcow2,
}

impl ImageFormat {
    /// All formats with their printed names.
    pub const NAMES: [(ImageFormat, &'static str); 2] =
        [(ImageFormat::Raw, "raw"), (ImageFormat::Qcow2, "qcow2")];

    /// The printed name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// What to open, and how.
#[derive(Debug, Clone, Copy)]
pub struct OpenOptions {
    /// How it may be used. A created image is writable whatever this says.
    pub access: Access,
    /// The format; `None` looks at the first bytes of the file.
    ///
    /// Looking is convenient, not safe: whoever may write to a raw image can write a qcow2 header into it,
    /// and the next one who looks takes it for a qcow2 image, backing file and all. For an image that
    /// somebody else has written to, say `Raw`.
    pub format: Option<ImageFormat>,
    /// Whether the page cache is used.
    pub transfer: Transfer,
    /// Make a new raw file of this size, all hole; a file that is there is an error.
    pub create: Option<Size>,
}

/// Tells whether two images are the same file, whatever they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Of the file system; 0 for a block device.
    device: u64,
    /// Of the file there; for a block device, which one it is.
    inode: u64,
}

impl Identity {
    pub(super) fn of(metadata: &fs::Metadata) -> Identity {
        if metadata.file_type().is_block_device() {
            Identity { device: 0, inode: metadata.rdev() }
        } else {
            Identity { device: metadata.dev(), inode: metadata.ino() }
        }
    }
}

/// An image that is ours to use.
pub struct Opened {
    /// The image. Its lock goes when it does.
    pub image: Arc<dyn Image>,
    /// What it was opened as.
    pub format: ImageFormat,
    /// Which file it is. Two read-only images may be one file without a lock in the way.
    pub identity: Identity,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened")
            .field("format", &self.format)
            .field("identity", &self.identity)
            .field("geometry", self.image.geometry())
            .finish()
    }
}

/// Why an image was not opened. Each message begins with the file's name.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the file, and what the message says of it")]
pub enum OpenError {
    /// Nothing has that name.
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    /// It is a directory, a fifo, a character device or a socket.
    #[error("{} is a {what}, not an image", path.display())]
    NotAnImage { path: PathBuf, what: &'static str },
    /// We may not read it.
    #[error("{} cannot be read: permission denied", path.display())]
    Unreadable { path: PathBuf },
    /// We may not write it.
    #[error("{} cannot be written: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
    /// It has no bytes, or none were asked for.
    #[error("{} is empty: an image has at least one byte", path.display())]
    Empty { path: PathBuf },
    /// It was to be created.
    #[error("{} exists already", path.display())]
    Exists { path: PathBuf },
    /// Only raw images are created.
    #[error("{} cannot be created as {}: only raw images can", path.display(), format.name())]
    CreateFormat { path: PathBuf, format: ImageFormat },
    /// It could not be created.
    #[error("{} cannot be created: {source}", path.display())]
    Create { path: PathBuf, source: io::Error },
    /// Somebody else has it.
    #[error("{} is in use: another program {holder}", path.display())]
    Locked { path: PathBuf, holder: Holder },
    /// It cannot be locked.
    #[error("{} cannot be locked: {source}", path.display())]
    Unlockable { path: PathBuf, source: nix::Error },
    /// It was said to be a qcow2 image.
    #[error("{} is not a qcow2 image: it begins with {}, not 51 46 49 fb", path.display(), Hex(found))]
    NotQcow2 { path: PathBuf, found: Vec<u8> },
    /// It is a qcow2 image, but not one that can be used.
    #[error("{} cannot be used: {source}", path.display())]
    Qcow2 { path: PathBuf, source: Qcow2Error },
    /// Its file system or device has no direct transfers.
    #[error("{} does not support direct I/O", path.display())]
    DirectUnsupported { path: PathBuf },
    /// Direct transfers cannot reach its last bytes.
    #[error("{} has {size} bytes, which is no multiple of the {block} that direct I/O needs", path.display())]
    DirectSize { path: PathBuf, size: u64, block: u32 },
    /// The system refused for another reason.
    #[error("{} cannot be opened: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Bytes as hex digits, `51 46 49 fb`.
struct Hex<'a>(&'a [u8]);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for byte in self.0 {
            write!(f, "{separator}{byte:02x}")?;
            separator = " ";
        }
        Ok(())
    }
}

impl OpenError {
    /// What to do about it, where there is something; a whole sentence without a full stop.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            OpenError::Missing { .. } => Some("--create SIZE makes a new, empty image"),
            OpenError::Empty { .. } => Some("truncate -s 1G FILE gives an empty file a size"),
            OpenError::Exists { .. } => Some("leave --create out to use the file that is there"),
            OpenError::Locked { .. } => {
                Some("close the other program (fuser -v FILE names it), or use a copy of the image")
            }
            OpenError::Unwritable { .. } => {
                Some("without --write the image is only read, and changes are thrown away")
            }
            OpenError::NotQcow2 { .. } => Some("--format raw takes the file as it is"),
            OpenError::DirectUnsupported { .. } | OpenError::DirectSize { .. } => {
                Some("leave --direct out")
            }
            OpenError::Qcow2 { source, .. } => source.hint(),
            _ => None,
        }
    }
}

/// Opens the image at `path` and locks it.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Opened, OpenError> {
    let (file, access) = match options.create {
        Some(size) => (create(path, size, options)?, Access::ReadWrite),
        None => (open_image_file(path, options.access)?, options.access),
    };
    let metadata = file.metadata().map_err(|source| io_error(path, source))?;
    let identity = Identity::of(&metadata);
    let size = file_size(&file).map_err(|source| io_error(path, source))?;
    if size == 0 {
        return Err(OpenError::Empty { path: path.into() });
    }
    let format = format_of(path, &file, options.format)?;
    let image: Arc<dyn Image> = match format {
        ImageFormat::Raw => Arc::new(raw(path, file, size, access, options.transfer)?),
        ImageFormat::Qcow2 => {
            let opened = Qcow2::open(path, file, access, options.transfer);
            Arc::new(opened.map_err(|source| OpenError::Qcow2 { path: path.into(), source })?)
        }
    };
    if image.geometry().size == 0 {
        return Err(OpenError::Empty { path: path.into() });
    }
    Ok(Opened { image, format, identity })
}

fn io_error(path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { path: path.into(), source }
}

/// Opens and locks a file that has to be an image by itself, or the backing file of one.
pub(super) fn open_image_file(path: &Path, access: Access) -> Result<fs::File, OpenError> {
    check_kind(path, &fs::metadata(path).map_err(|source| open_error(path, access, source))?)?;
    // The file may be another one by now; without O_NONBLOCK a fifo would make us wait for its writer.
    let file = fs::File::options()
        .read(true)
        .write(access == Access::ReadWrite)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .map_err(|source| open_error(path, access, source))?;
    check_kind(path, &file.metadata().map_err(|source| io_error(path, source))?)?;
    take_lock(path, &file, access)?;
    Ok(file)
}

/// Says how transfers go from now on. Until then they are buffered, so that headers can be read as they
/// lie. Fails with `InvalidInput` if the file cannot do it.
pub(super) fn set_transfer(file: &fs::File, transfer: Transfer) -> io::Result<()> {
    let direct = match transfer {
        Transfer::Buffered => OFlags::empty(),
        Transfer::Direct => OFlags::DIRECT,
    };
    let flags = rustix::fs::fcntl_getfl(file)?.difference(OFlags::NONBLOCK | OFlags::DIRECT);
    Ok(rustix::fs::fcntl_setfl(file, flags | direct)?)
}

fn check_kind(path: &Path, metadata: &fs::Metadata) -> Result<(), OpenError> {
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_char_device() {
        "character device"
    } else if kind.is_socket() {
        "socket"
    } else {
        return Ok(());
    };
    Err(OpenError::NotAnImage { path: path.into(), what })
}

fn open_error(path: &Path, access: Access, source: io::Error) -> OpenError {
    let path = path.to_path_buf();
    match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { path },
        io::ErrorKind::PermissionDenied if fs::File::open(&path).is_err() => {
            OpenError::Unreadable { path }
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
            if access == Access::ReadWrite =>
        {
            OpenError::Unwritable { path, source }
        }
        _ => OpenError::Io { path, source },
    }
}

fn take_lock(path: &Path, file: &fs::File, access: Access) -> Result<(), OpenError> {
    lock(file, access).map_err(|error| match error {
        LockError::Held(holder) => OpenError::Locked { path: path.into(), holder },
        LockError::Unsupported(source) => OpenError::Unlockable { path: path.into(), source },
    })
}

/// Makes a sparse file. What cannot be finished is removed again.
fn create(path: &Path, size: Size, options: &OpenOptions) -> Result<fs::File, OpenError> {
    if let Some(format) = options.format.filter(|format| *format != ImageFormat::Raw) {
        return Err(OpenError::CreateFormat { path: path.into(), format });
    }
    if size.0 == 0 {
        return Err(OpenError::Empty { path: path.into() });
    }
    let failed = |source: io::Error| OpenError::Create { path: path.into(), source };
    let file = fs::File::options().read(true).write(true).create_new(true).open(path).map_err(
        |source| match source.kind() {
            io::ErrorKind::AlreadyExists => OpenError::Exists { path: path.into() },
            _ => failed(source),
        },
    )?;
    let finished = file.set_len(size.0).map_err(failed);
    if let Err(error) = finished.and_then(|()| take_lock(path, &file, Access::ReadWrite)) {
        // It is ours, and of no use; that it cannot be removed is the lesser trouble.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(file)
}

/// Bytes in a regular file or block device.
fn file_size(file: &fs::File) -> io::Result<u64> {
    Ok(rustix::fs::seek(file, rustix::fs::SeekFrom::End(0))?)
}

/// The format that was asked for, or that the first bytes look like.
fn format_of(
    path: &Path,
    file: &fs::File,
    asked: Option<ImageFormat>,
) -> Result<ImageFormat, OpenError> {
    if asked == Some(ImageFormat::Raw) {
        return Ok(ImageFormat::Raw);
    }
    let found = first_bytes(file).map_err(|source| io_error(path, source))?;
    match asked {
        _ if found == QCOW2_MAGIC => Ok(ImageFormat::Qcow2),
        Some(_) => Err(OpenError::NotQcow2 { path: path.into(), found }),
        None => Ok(ImageFormat::Raw),
    }
}

/// At most four bytes.
fn first_bytes(file: &fs::File) -> io::Result<Vec<u8>> {
    let mut first = [0; QCOW2_MAGIC.len()];
    let read = file.read_at(&mut first, 0)?;
    Ok(first[..read].to_vec())
}

fn raw(
    path: &Path,
    file: fs::File,
    size: u64,
    access: Access,
    transfer: Transfer,
) -> Result<File, OpenError> {
    let unsupported = || OpenError::DirectUnsupported { path: path.into() };
    set_transfer(&file, transfer).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput if transfer == Transfer::Direct => unsupported(),
        _ => io_error(path, source),
    })?;
    let direct = match transfer {
        Transfer::Buffered => None,
        Transfer::Direct => Some(Direct::probe(&file).ok_or_else(unsupported)?),
    };
    if let Some(block) = direct.as_ref().map(Direct::block)
        && !size.is_multiple_of(u64::from(block))
    {
        return Err(OpenError::DirectSize { path: path.into(), size, block });
    }
    let parts = Parts { file, size, read_only: access == Access::ReadOnly, direct };
    File::new(parts).map_err(|source| io_error(path, source))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::device::contract::{make_qcow2, options};

    const READ_ONLY: OpenOptions = OpenOptions {
        access: Access::ReadOnly,
        format: None,
        transfer: Transfer::Buffered,
        create: None,
    };

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    /// The message, without the directory.
    fn refusal(path: &Path, options: &OpenOptions) -> String {
        let text = open(path, options).unwrap_err().to_string();
        text.replace(&format!("{}/", path.parent().unwrap().display()), "")
    }

    #[test]
    fn what_is_no_image_is_refused_by_name() {
        let directory = directory();
        let at = |name| directory.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("nothing"), []).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), 0o600.into()).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("sock")).unwrap();
        std::os::unix::fs::symlink(at("gone"), at("link")).unwrap();
        for (name, expected) in [
            ("absent", "absent does not exist"),
            ("link", "link does not exist"),
            ("folder", "folder is a directory, not an image"),
            ("pipe", "pipe is a fifo, not an image"),
            ("sock", "sock is a socket, not an image"),
            ("nothing", "nothing is empty: an image has at least one byte"),
        ] {
            for options in [READ_ONLY, options(None)] {
                assert_eq!(refusal(&at(name), &options), expected);
            }
        }
        let null = refusal(Path::new("/dev/null"), &READ_ONLY);
        assert_eq!(null, "null is a character device, not an image");
    }

    #[test]
    fn a_fifo_does_not_make_us_wait() {
        let directory = directory();
        let path = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, 0o600.into()).unwrap();
        let (told, tell) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(open(&path, &READ_ONLY).is_err()));
        assert_eq!(tell.recv_timeout(Duration::from_mins(1)), Ok(true));
    }

    #[test]
    fn an_image_that_may_not_be_read_or_written_says_which() {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory();
        let path = directory.path().join("disk.img");
        fs::write(&path, [1; 512]).unwrap();
        let set = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        set(0o000);
        if fs::File::open(&path).is_ok() {
            eprintln!("LEFT OUT: permissions were not checked: this user may do everything");
            return;
        }
        assert_eq!(refusal(&path, &READ_ONLY), "disk.img cannot be read: permission denied");
        set(0o400);
        assert!(refusal(&path, &options(None)).starts_with("disk.img cannot be written: "));
        assert!(open(&path, &READ_ONLY).is_ok());
    }

    #[test]
    fn create_makes_a_sparse_file_and_touches_none_that_is_there() {
        let directory = directory();
        let path = directory.path().join("new.img");
        let create = |size| OpenOptions { access: Access::ReadOnly, ..options(Some(Size(size))) };
        let opened = open(&path, &create(1 << 30)).unwrap();
        assert_eq!(opened.format, ImageFormat::Raw);
        assert_eq!(opened.image.geometry().size, 1 << 30);
        assert!(!opened.image.geometry().read_only, "a created image is writable");
        assert!(fs::metadata(&path).unwrap().blocks() < 1000);
        drop(opened);
        fs::write(&path, b"mine").unwrap();
        assert_eq!(refusal(&path, &create(100)), "new.img exists already");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let none = directory.path().join("none.img");
        assert_eq!(refusal(&none, &create(0)), "none.img is empty: an image has at least one byte");
        let qcow2 = OpenOptions { format: Some(ImageFormat::Qcow2), ..create(100) };
        assert!(refusal(&none, &qcow2).contains("cannot be created as qcow2"));
        let huge = refusal(&none, &create(i64::MAX.cast_unsigned()));
        assert!(huge.starts_with("none.img cannot be created: "), "{huge}");
        assert!(!none.exists(), "what could not be finished is removed");
    }

    #[test]
    fn a_locked_image_is_refused_by_name() {
        let directory = directory();
        let path = directory.path().join("disk.img");
        fs::write(&path, [1; 512]).unwrap();
        let writer = open(&path, &options(None)).unwrap();
        let expected = "disk.img is in use: another program has it open for writing";
        assert_eq!(refusal(&path, &READ_ONLY), expected);
        assert_eq!(refusal(&path, &options(None)), expected);
        drop(writer);
        let reader = open(&path, &READ_ONLY).unwrap();
        let expected = "disk.img is in use: another program reads it and lets nobody write";
        assert_eq!(refusal(&path, &options(None)), expected);
        let other = open(&path, &READ_ONLY).unwrap();
        assert_eq!(reader.identity, other.identity, "two readers may have it, and can tell");
    }

    #[test]
    fn one_file_has_one_identity_by_whatever_name() {
        let directory = directory();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        fs::write(&one, [1; 512]).unwrap();
        fs::write(&two, [1; 512]).unwrap();
        let link = directory.path().join("link");
        fs::hard_link(&one, &link).unwrap();
        let identity = |path: &Path| open(path, &READ_ONLY).unwrap().identity;
        assert_eq!(identity(&one), identity(&link));
        assert_ne!(identity(&one), identity(&two));
    }

    #[test]
    fn the_format_is_found_by_looking_unless_it_is_said() {
        let directory = directory();
        let (raw, qcow2) = (directory.path().join("raw"), directory.path().join("qcow2"));
        fs::write(&raw, [1; 3]).unwrap();
        make_qcow2(&qcow2, 1 << 20);
        let opened = |path, format| {
            let opened = open(path, &OpenOptions { format, ..READ_ONLY }).unwrap();
            (opened.format, opened.image.geometry().size)
        };
        assert_eq!(opened(&raw, None), (ImageFormat::Raw, 3));
        assert_eq!(opened(&qcow2, None), (ImageFormat::Qcow2, 1 << 20));
        assert_eq!(opened(&qcow2, Some(ImageFormat::Qcow2)), (ImageFormat::Qcow2, 1 << 20));
        let length = fs::metadata(&qcow2).unwrap().len();
        assert_eq!(opened(&qcow2, Some(ImageFormat::Raw)), (ImageFormat::Raw, length));
        let options = OpenOptions { format: Some(ImageFormat::Qcow2), ..READ_ONLY };
        let expected = "raw is not a qcow2 image: it begins with 01 01 01, not 51 46 49 fb";
        assert_eq!(refusal(&raw, &options), expected);
    }

    #[test]
    fn formats_are_in_the_table_at_their_number() {
        for (format, name) in ImageFormat::NAMES {
            assert_eq!(format.name(), name);
        }
    }
}
