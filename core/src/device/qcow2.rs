//! qcow2 images, through the imago library: ranges of the virtual disk come in, it finds them in the file.
//!
//! Reads, writes and zeroes run side by side; a discard runs alone, because it takes away what the others
//! may be looking at. Files behind the image (see `BackingFiles`) are opened by `open`'s own rules.
//! Invariant: a flush that is complete is on the disk, tables and all.

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use imago::file::File as Storage;
use imago::format::builder::FormatDriverBuilder;
use imago::format::gate::ImplicitOpenGate;
use imago::{FormatAccess, Mapping, StorageOpenOptions};

use super::extents::{Extents, State};
use super::open::{open_image_file, set_transfer};
use super::positioned::{PIECE_BYTES, ZEROES, errno, index};
use super::refcounts::{self, RefcountError};
use super::{Access, Durable, Geometry, Identity, Image, OpenError, Transfer, Zeroing};
use crate::limits::{BACKING_CHAIN_MAX, EXTENTS_MAX};
use crate::request::{Errno, Extent};
use crate::units::ByteRange;

/// Why a qcow2 image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Qcow2Error {
    /// Its header or tables are damaged, or use what imago does not know.
    #[error("not a qcow2 image that can be read ({0})")]
    Invalid(#[source] io::Error),
    /// Writing to it would destroy it.
    #[error("it is damaged and would be destroyed by writing: {0}")]
    Damaged(#[from] RefcountError),
    /// A file behind it cannot be used.
    #[error("backing file {0}")]
    Backing(#[source] Box<OpenError>),
    /// Its backing files lead back to one of them.
    #[error("its backing file {} is already part of it", .0.display())]
    BackingLoop(PathBuf),
    /// There are too many files behind it.
    #[error("it has more than {BACKING_CHAIN_MAX} backing files behind one another")]
    BackingTooDeep,
    /// Its data are kept in a file of their own.
    #[error("its data lie in another file, {}, which is not supported", .0.display())]
    DataFile(PathBuf),
}

impl Qcow2Error {
    /// What to do about it, where there is something.
    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Qcow2Error::Invalid(_) => Some(
                "qemu-img check FILE says what is wrong with it; --format raw takes it as it is",
            ),
            Qcow2Error::Damaged(_) => Some("qemu-img check -r all FILE may repair it"),
            Qcow2Error::Backing(error) => match **error {
                OpenError::Missing { .. } => Some("qemu-img rebase -u -b FILE names another one"),
                _ => error.hint(),
            },
            Qcow2Error::DataFile(_) => Some("qemu-img convert makes an image of one file from it"),
            Qcow2Error::BackingLoop(_) | Qcow2Error::BackingTooDeep => None,
        }
    }
}

/// A qcow2 image.
pub struct Qcow2 {
    disk: RwLock<FormatAccess<Storage>>,
    geometry: Geometry,
}

impl Qcow2 {
    /// Serves the image in `file`, which is locked and was opened at `path`.
    pub(super) fn open(
        path: &Path,
        file: fs::File,
        access: Access,
        transfer: Transfer,
    ) -> Result<Qcow2, Qcow2Error> {
        if access == Access::ReadWrite {
            refcounts::check(&file)?;
        }
        set_transfer(&file, transfer).map_err(Qcow2Error::Invalid)?;
        let gate = BackingFiles::of(&file).map_err(Qcow2Error::Invalid)?;
        let refusal = Arc::clone(&gate.refusal);
        let opened = contain(|| open_format(path, file, access, transfer, gate));
        let opened = opened.map_err(|error| {
            let refusal = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
            refusal.unwrap_or(Qcow2Error::Invalid(error))
        })?;
        let disk = FormatAccess::new(opened);
        let read_only = access == Access::ReadOnly;
        let geometry = Geometry {
            size: disk.size(),
            block_min: 1,
            block_preferred: 4096,
            read_only,
            discard: !read_only,
        };
        Ok(Qcow2 { disk: RwLock::new(disk), geometry })
    }

    /// Does something side by side with others.
    fn with<T>(
        &self,
        work: impl FnOnce(&FormatAccess<Storage>) -> io::Result<T>,
    ) -> Result<T, Errno> {
        let disk = self.disk.read().unwrap_or_else(PoisonError::into_inner);
        contain(|| work(&disk)).map_err(errno)
    }

    fn settle(&self, durable: Durable) -> Result<(), Errno> {
        match durable {
            Durable::Later => Ok(()),
            Durable::Now => self.flush(),
        }
    }

    /// Makes `range` read as zeroes and frees its clusters.
    fn free(&self, range: ByteRange) -> Result<(), Errno> {
        let freed = {
            let mut disk = self.disk.write().unwrap_or_else(PoisonError::into_inner);
            contain(|| disk.discard_to_zero(range.offset, range.length)).map_err(errno)
        };
        self.or_write_zeroes(range, freed)
    }

    /// Version 2 of the format has no zero clusters, so there zeroes are written.
    fn or_write_zeroes(&self, range: ByteRange, done: Result<(), Errno>) -> Result<(), Errno> {
        if done != Err(Errno::ENOTSUP) {
            return done;
        }
        let mut at = range.offset;
        while at < range.end() {
            let length = (range.end() - at).min(PIECE_BYTES as u64);
            self.with(|disk| disk.write(&ZEROES[..index(length)], at))?;
            at += length;
        }
        Ok(())
    }
}

/// Turns a panic of imago, which a damaged image can bring about, into an error.
fn contain<T>(work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    // What imago leaves behind is its own, and is only ever handed back to it.
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(io::Error::other("its tables make no sense")))
}

fn open_format(
    path: &Path,
    file: fs::File,
    access: Access,
    transfer: Transfer,
    gate: BackingFiles,
) -> io::Result<imago::qcow2::Qcow2<Storage>> {
    let writable = access == Access::ReadWrite;
    // Absolute, because the names of backing files are relative to the image's directory.
    let path = std::path::absolute(path)?;
    let options = StorageOpenOptions::new().direct(transfer == Transfer::Direct);
    let storage = options.clone().filename(path).write(writable);
    let storage = Storage::from_open_file(file, storage)?;
    imago::qcow2::Qcow2::builder(storage).write(writable).storage_open_options(options).open(gate)
}

/// Opens the files that an image names, under these rules: a backing file is only ever read, has to be a
/// regular file or a block device, is locked like any other image, and occurs once. It may lie anywhere, as
/// with QEMU: whoever made the image chooses what its reader sees, so an image from a stranger should be
/// looked at (`qemu-img info`) before it is served. A file for data would be written to, so none is opened.
#[derive(Clone)]
struct BackingFiles {
    seen: Arc<Mutex<Vec<Identity>>>,
    /// Why a file was refused: imago carries only text.
    refusal: Arc<Mutex<Option<Qcow2Error>>>,
}

impl BackingFiles {
    fn of(image: &fs::File) -> io::Result<BackingFiles> {
        let seen = vec![Identity::of(&image.metadata()?)];
        Ok(BackingFiles { seen: Arc::new(Mutex::new(seen)), refusal: Arc::default() })
    }

    fn open_backing(&self, path: &Path, transfer: Transfer) -> Result<fs::File, Qcow2Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() > BACKING_CHAIN_MAX {
            return Err(Qcow2Error::BackingTooDeep);
        }
        let backing = |error| Qcow2Error::Backing(Box::new(error));
        // Looked at before it is locked: a loop is not somebody else's lock.
        if let Ok(metadata) = fs::metadata(path)
            && seen.contains(&Identity::of(&metadata))
        {
            return Err(Qcow2Error::BackingLoop(path.into()));
        }
        let file = open_image_file(path, Access::ReadOnly).map_err(backing)?;
        let io_error = |source| backing(OpenError::Io { path: path.into(), source });
        set_transfer(&file, transfer).map_err(io_error)?;
        let metadata = file.metadata().map_err(io_error)?;
        seen.push(Identity::of(&metadata));
        Ok(file)
    }
}

impl ImplicitOpenGate<Storage> for BackingFiles {
    fn open_format<F: FormatDriverBuilder<Storage>>(
        &mut self,
        builder: F,
    ) -> io::Result<FormatAccess<Storage>> {
        builder.open(self.clone()).map(FormatAccess::new)
    }

    fn open_storage(&mut self, options: StorageOpenOptions) -> io::Result<Storage> {
        let path = options.get_filename().unwrap_or(Path::new("")).to_path_buf();
        let transfer = if options.get_direct() { Transfer::Direct } else { Transfer::Buffered };
        let opened = if options.get_writable() {
            Err(Qcow2Error::DataFile(path))
        } else {
            self.open_backing(&path, transfer)
        };
        match opened {
            Ok(file) => Storage::from_open_file(file, options),
            Err(refusal) => {
                *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
                Err(io::ErrorKind::PermissionDenied.into())
            }
        }
    }
}

impl Image for Qcow2 {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Errno> {
        self.with(|disk| disk.read(buffer, offset))
    }

    /// Always `None`: finding the place of the data may mean to read tables.
    fn read_now(&self, _offset: u64, _buffer: &mut [u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write(&self, offset: u64, data: &[u8], durable: Durable) -> Result<(), Errno> {
        self.with(|disk| disk.write(data, offset))?;
        self.settle(durable)
    }

    /// Always `None`: making place for the data may mean to read tables, and what is copied on write.
    fn write_now(&self, _offset: u64, _data: &[u8]) -> Option<Result<(), Errno>> {
        None
    }

    fn write_zeroes(&self, range: ByteRange, how: Zeroing) -> Result<(), Errno> {
        if how.fast_only {
            // The ends of the range may have to be written, and only imago knows.
            return Err(Errno::ENOTSUP);
        }
        if how.keep_allocated {
            let zeroed = self.with(|disk| disk.write_zeroes(range.offset, range.length));
            self.or_write_zeroes(range, zeroed)?;
        } else {
            self.free(range)?;
        }
        self.settle(how.durable)
    }

    fn discard(&self, range: ByteRange, durable: Durable) -> Result<(), Errno> {
        self.free(range)?;
        self.settle(durable)
    }

    fn flush(&self) -> Result<(), Errno> {
        if self.geometry.read_only {
            return Ok(());
        }
        self.with(|disk| disk.flush().and_then(|()| disk.sync()))
    }

    fn block_status(&self, range: ByteRange) -> Result<Vec<Extent>, Errno> {
        let mut extents = Extents::default();
        let mut at = range.offset;
        // A mapping ends with its table, however alike the next one is: bound the work, not the extents.
        for _ in 0..EXTENTS_MAX {
            if at == range.end() {
                break;
            }
            let rest = range.end() - at;
            let (state, length) = self.with(|disk| {
                let (mapping, length) = disk.get_mapping(at, rest)?;
                Ok(match mapping {
                    _ if length == 0 => (State::Data, rest),
                    Mapping::Zero { explicit: false, .. } => (State::Hole, length),
                    Mapping::Zero { .. } => (State::Zero, length),
                    _ => (State::Data, length),
                })
            })?;
            if !extents.push(state.extent(length)) {
                break;
            }
            at += length;
        }
        Ok(extents.into_vec())
    }

    /// Does nothing: only imago knows where in the file the range lies.
    fn cache(&self, _range: ByteRange) -> Result<(), Errno> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::device::contract::{make_qcow2, options};
    use crate::device::{OpenOptions, open};

    const SIZE: u64 = 1 << 20;

    const READ_ONLY: OpenOptions = OpenOptions {
        access: Access::ReadOnly,
        format: None,
        transfer: Transfer::Buffered,
        create: None,
    };

    fn image() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.qcow2");
        make_qcow2(&path, SIZE);
        (directory, path)
    }

    /// An image at `path` whose data come from `backing` where it has none.
    fn make_with_backing(path: &Path, backing: &str, format: &str) {
        use imago::FormatCreateBuilder;
        fs::write(path, []).unwrap();
        let file = fs::File::options().read(true).write(true).open(path).unwrap();
        let storage = Storage::try_from(file).unwrap();
        let builder = imago::qcow2::Qcow2::<Storage>::create_builder(storage);
        builder.size(SIZE).backing(backing.to_owned(), format.to_owned()).create().unwrap();
    }

    fn read(image: &dyn Image, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; length];
        image.read(offset, &mut buffer).unwrap();
        buffer
    }

    #[test]
    fn what_was_flushed_is_there_when_it_is_opened_again() {
        let (_directory, path) = image();
        let first = open(&path, &options(None)).unwrap().image;
        first.write(100_000, &[5; 1000], Durable::Later).unwrap();
        first.flush().unwrap();
        // As it is on the disk now, not as it is when it was closed.
        let copy = path.with_file_name("copy.qcow2");
        fs::copy(&path, &copy).unwrap();
        let again = open(&copy, &READ_ONLY).unwrap().image;
        assert_eq!(read(&*again, 100_000, 1000), [5; 1000]);
        assert!(again.geometry().read_only && !again.geometry().discard);
        assert!(again.write(0, &[1], Durable::Later).is_err());
    }

    #[test]
    fn a_discard_frees_clusters() {
        let (_directory, path) = image();
        let image = open(&path, &options(None)).unwrap().image;
        let whole = ByteRange::new(0, SIZE);
        image.write(0, &vec![1; index(SIZE)], Durable::Later).unwrap();
        assert_eq!(image.block_status(whole).unwrap(), [State::Data.extent(SIZE)]);
        image.discard(whole, Durable::Now).unwrap();
        let length = fs::metadata(&path).unwrap().len();
        image.write(0, &vec![2; index(SIZE)], Durable::Now).unwrap();
        assert!(fs::metadata(&path).unwrap().len() < length + SIZE / 2, "they are used again");
    }

    #[test]
    fn a_backing_file_shows_through_and_is_locked_and_not_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (base, top) = (directory.path().join("base.img"), directory.path().join("top.qcow2"));
        fs::write(&base, vec![7; index(SIZE)]).unwrap();
        // Relative to the image, wherever we are.
        make_with_backing(&top, "base.img", "raw");
        let image = open(&top, &options(None)).unwrap().image;
        image.write(1000, &[1; 1000], Durable::Now).unwrap();
        image.discard(ByteRange::new(500_000, 1000), Durable::Now).unwrap();
        assert_eq!(read(&*image, 0, 1000), [7; 1000]);
        assert_eq!(read(&*image, 1000, 1000), [1; 1000]);
        assert_eq!(read(&*image, 500_000, 1000), [0; 1000]);
        let error = open(&base, &options(None)).unwrap_err();
        assert!(matches!(error, OpenError::Locked { .. }), "{error}");
        drop(image);
        assert!(fs::read(&base).unwrap().iter().all(|byte| *byte == 7));
    }

    #[test]
    fn a_backing_file_that_cannot_be_used_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("top.qcow2");
        rustix::fs::mkfifoat(rustix::fs::CWD, directory.path().join("pipe"), 0o600.into()).unwrap();
        for (backing, format, expected) in [
            ("gone.img", "raw", "backing file gone.img does not exist"),
            ("pipe", "raw", "backing file pipe is a fifo, not an image"),
            ("top.qcow2", "qcow2", "its backing file top.qcow2 is already part of it"),
        ] {
            make_with_backing(&top, backing, format);
            let text = open(&top, &READ_ONLY).unwrap_err().to_string();
            let text = text.replace(&format!("{}/", directory.path().display()), "");
            assert_eq!(text, format!("top.qcow2 cannot be used: {expected}"));
        }
    }

    #[test]
    fn a_chain_of_backing_files_has_an_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = |number: usize| directory.path().join(format!("{number}.qcow2"));
        make_qcow2(&path(0), SIZE);
        for number in 1..=BACKING_CHAIN_MAX + 1 {
            make_with_backing(&path(number), &format!("{}.qcow2", number - 1), "qcow2");
        }
        assert!(open(&path(BACKING_CHAIN_MAX), &READ_ONLY).is_ok());
        let error = open(&path(BACKING_CHAIN_MAX + 1), &READ_ONLY).unwrap_err();
        assert!(error.to_string().ends_with("more than 32 backing files behind one another"));
    }

    #[test]
    fn a_file_for_data_is_refused_and_not_opened() {
        use imago::FormatCreateBuilder;
        let (directory, path) = image();
        let data = directory.path().join("data.bin");
        fs::write(&data, []).unwrap();
        let open_file =
            |path: &Path| fs::File::options().read(true).write(true).open(path).unwrap();
        let storage = Storage::try_from(open_file(&path)).unwrap();
        let data = Storage::try_from(open_file(&data)).unwrap();
        let builder = imago::qcow2::Qcow2::<Storage>::create_builder(storage);
        builder.size(SIZE).data_file("data.bin".to_owned(), data).create().unwrap();
        let text = open(&path, &options(None)).unwrap_err().to_string();
        assert!(text.contains("its data lie in another file, "), "{text}");
    }

    #[test]
    fn an_image_without_bytes_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk.qcow2");
        make_qcow2(&path, 0);
        let error = open(&path, &READ_ONLY).unwrap_err();
        assert!(matches!(error, OpenError::Empty { .. }), "{error}");
    }

    #[test]
    fn an_image_cut_short_is_refused_or_readable_but_never_a_panic() {
        let (_directory, path) = image();
        let whole = fs::read(&path).unwrap();
        for length in (4..200).chain([511, 65_536, 65_540, 131_072, 200_000]) {
            fs::write(&path, &whole[..length.min(whole.len())]).unwrap();
            use_it(&path);
        }
    }

    /// Opens and uses an image that may be broken anywhere.
    fn use_it(path: &Path) {
        let opened = match open(path, &options(None)) {
            Ok(opened) => opened,
            Err(error) => {
                assert!(error.to_string().contains("disk.qcow2 "), "{error}");
                return;
            }
        };
        let image = opened.image;
        let size = image.geometry().size;
        for offset in [0, size / 2, size.saturating_sub(4096)] {
            let length = size.min(4096);
            let _ = image.read(offset, &mut vec![0; index(length)]);
            let _ = image.write(offset, &vec![1; index(length)], Durable::Later);
            let _ = image.block_status(ByteRange::new(offset, length));
            let _ = image.discard(ByteRange::new(offset, length), Durable::Later);
        }
        let _ = image.flush();
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() })]
        #[test]
        fn a_broken_image_is_refused_or_fails_but_never_a_panic(
            breaks in prop::collection::vec(
                (prop_oneof![4..120_usize, 65_530..65_600_usize, 131_000..262_144_usize], any::<u8>()),
                1..4,
            )
        ) {
            let (_directory, path) = image();
            {
                let image = open(&path, &options(None)).unwrap().image;
                image.write(0, &vec![1; 100_000], Durable::Now).unwrap();
            }
            let mut bytes = fs::read(&path).unwrap();
            for (place, value) in breaks {
                let place = place % bytes.len();
                bytes[place] = value;
            }
            fs::write(&path, bytes).unwrap();
            use_it(&path);
        }
    }
}
