//! Files that keep what is known of a log: damaged at every byte, of other logs, and of logs that change meanwhile.

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::mpsc::channel;

use blkreplay_core::open;
use blkreplay_core::qemu::Layout;
use tempfile::TempDir;

use super::index_file::{Bounds, IndexFile};
use super::learnt::{self, Learnt, Verdict};
use super::marks::Mark;
use super::{Known, Log, OpenLog, start};
use crate::action::Direction;
use crate::events::{From, Need, Of, Told, Wish};
use crate::journal::Journal;

/// What is changed about a mark, and how.
type Change = (&'static str, fn(&mut Mark));

/// A log in a folder, and what is kept of it.
struct Kept {
    folder: TempDir,
    index: IndexFile,
    log: Log,
}

impl Kept {
    /// Of a log that was read and checked.
    fn of(bytes: &[u8]) -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vm.rr");
        fs::write(&path, bytes).unwrap();
        let at = path.clone();
        let open: OpenLog = Arc::new(move || Ok(open::file(&at)?));
        let index = IndexFile {
            folder: Some(folder.path().join("kept")),
            journal: Journal::default(),
            log: path,
            forced: None,
            open: Arc::clone(&open),
            bounds: Bounds { log_bytes_min: 1, ..Bounds::default() },
        };
        let layout = Layout::named("0c/v8.0").unwrap();
        let reader = blkreplay_core::qemu::LogReader::new(open().unwrap(), layout).unwrap();
        let header = reader.header();
        let log = Log { header, layout, is_forced: false, open, index: index.clone() };
        let kept = Kept { folder, index, log };
        kept.read();
        kept
    }

    /// Reads the log to its end and checks it, if nothing is known of it; what was told.
    fn read(&self) -> Vec<Known> {
        let (sender, told) = channel();
        let known = move |known| sender.send(known).is_ok();
        let (wishes, mut known) = start(&self.log, true, |_| true, known);
        drop(wishes);
        known.extend(told);
        known
    }

    fn file(&self) -> std::path::PathBuf {
        self.index.look().unwrap().file
    }

    fn recalled(&self) -> Option<Learnt> {
        self.index.recall().map(|(_, learnt)| learnt)
    }
}

fn log(name: &str) -> Vec<u8> {
    let log = blkreplay_fixtures::bytes(&format!("qemu/logs/{name}.rr.zst"));
    zstd::decode_all(&log[..]).unwrap()
}

#[test]
fn a_kept_file_is_as_good_as_none_with_any_bit_changed_or_cut_anywhere() {
    let kept = Kept::of(&log("q100-flip-blockid"));
    let (file, learnt) = (kept.file(), kept.recalled());
    let whole = fs::read(&file).unwrap();
    assert!(learnt.as_ref().unwrap().verdict.as_ref().unwrap().checked.faults > 0);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << bit;
            fs::write(&file, &damaged).unwrap();
            assert_eq!(kept.recalled(), None, "bit {bit} of byte {at}");
        }
        fs::write(&file, &whole[..at]).unwrap();
        assert_eq!(kept.recalled(), None, "{at} bytes");
    }
    fs::write(&file, [&whole[..], &[0]].concat()).unwrap();
    assert_eq!(kept.recalled(), None, "a byte more");
    fs::write(&file, &whole).unwrap();
    assert_eq!(kept.recalled(), learnt);
}

#[test]
fn a_kept_file_of_another_log_or_at_the_wrong_place_is_none() {
    let (one, other) = (Kept::of(&log("q100-fix-a1")), Kept::of(&log("q100-fix-a1")));
    fs::copy(other.file(), one.file()).unwrap();
    assert_eq!(one.recalled(), None, "of a log of the same bytes in another file");
    fs::remove_file(one.file()).unwrap();
    fs::create_dir(one.file()).unwrap();
    assert_eq!(one.recalled(), None, "a folder");
    fs::remove_file(other.folder.path().join("vm.rr")).unwrap();
    assert_eq!(other.recalled(), None, "the log is gone");
}

#[test]
fn a_layout_that_was_asked_for_has_a_file_of_its_own() {
    let kept = Kept::of(&log("q100-fix-a1"));
    let forced = Layout::named("0c/v8.0");
    let asked = IndexFile { forced, ..kept.index.clone() };
    assert_eq!(kept.index.layout(), forced);
    assert_eq!(asked.layout(), None);
    assert_ne!(asked.look().unwrap().file, kept.file());
    fs::copy(kept.file(), asked.look().unwrap().file).unwrap();
    assert_eq!(asked.layout(), None);
}

#[test]
fn nothing_is_kept_of_a_log_that_changed_while_it_was_read() {
    let kept = Kept::of(&log("q100-fix-a1"));
    let seen = kept.index.look().unwrap();
    fs::remove_file(kept.file()).unwrap();
    let path = kept.folder.path().join("vm.rr");
    File::options().append(true).open(path).unwrap().write_all(&[0]).unwrap();
    kept.index.keep(&seen, |_| panic!("nothing is to be added"));
    assert!(fs::read_dir(kept.folder.path().join("kept")).unwrap().next().is_none());
}

#[test]
fn a_log_that_was_read_and_not_checked_is_only_checked() {
    let kept = Kept::of(&log("q100-flip-blockid"));
    let (seen, learnt) = kept.index.recall().unwrap();
    let of = (learnt.header, learnt.layout);
    kept.index.keep(&seen, |out| {
        learnt::put(of, &learnt.marks, learnt.stop, None, out);
    });
    assert_eq!(kept.recalled().unwrap().verdict, None);
    let told = kept.read();
    assert!(
        matches!(told.first(), Some(Known::Whole(progress, _)) if progress.of == seen.log_bytes)
    );
    assert!(told[1..].iter().all(|known| !matches!(known, Known::Read(_) | Known::Whole(..))));
    let Some(Known::Checked(checked)) = told.last() else { panic!("{told:?}") };
    assert_eq!(Some(&**checked), learnt.verdict.as_ref().map(|Verdict { checked, .. }| checked));
    assert_eq!(kept.recalled(), Some(learnt), "and what was found is kept now");
}

#[test]
fn both_ends_of_a_log_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let ends = |bytes: &[u8]| {
        let path = folder.path().join("log");
        fs::write(&path, bytes).unwrap();
        super::index_file::ends(&File::open(path).unwrap(), bytes.len() as u64).unwrap()
    };
    let log: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let whole = ends(&log);
    for (at, is_seen) in
        [(0, true), (65_535, true), (65_536, false), (600_000, false), (log.len() - 1, true)]
    {
        let mut changed = log.clone();
        changed[at] ^= 1;
        assert_eq!(ends(&changed) != whole, is_seen, "byte {at}");
    }
    assert_ne!(ends(&log[..10]), ends(&log[..11]));
}

#[test]
fn a_mark_that_is_not_where_the_block_before_ends_is_doubted_before_anything_is_told_of_it() {
    let kept = Kept::of(&log("q100-boot_a"));
    let (seen, whole) = kept.index.recall().unwrap();
    let need =
        Need { of: Of::default(), from: From::Block(0), direction: Direction::Next, shown: None };
    let changes: [Change; 4] = [
        ("nothing", |_| {}),
        ("its byte", |mark| mark.place.at += 1),
        ("its instructions", |mark| mark.place.icount += 1),
        ("what it is inside of", |mark| mark.is_inside = !mark.is_inside),
    ];
    for (what, change) in changes {
        let mut learnt = whole.clone();
        change(&mut learnt.marks.all[1]);
        let of = (learnt.header, learnt.layout);
        kept.index.keep(&seen, |out| {
            learnt::put(of, &learnt.marks, learnt.stop, learnt.verdict.as_ref(), out);
        });
        assert_eq!(kept.recalled(), Some(learnt), "{what}");
        let (telling, told) = channel();
        let (knowing, known) = channel();
        let tell = move |told| telling.send(told).is_ok();
        let (wishes, _) = start(&kept.log, true, tell, move |known| knowing.send(known).is_ok());
        wishes.send(vec![Wish::Releases(need.clone())]).unwrap();
        assert!(matches!(told.recv().unwrap(), Told::Extent(_)), "{what}");
        // Who reads has told it, or has ended.
        let is_told = matches!(told.recv(), Ok(Told::Releases(_)));
        drop(wishes);
        let is_doubted = matches!(known.recv(), Ok(Known::Doubted));
        assert_eq!((is_told, is_doubted), (what == "nothing", what != "nothing"), "{what}");
    }
}

#[test]
fn who_has_only_read_a_log_does_not_take_away_what_another_has_found() {
    let kept = Kept::of(&log("q100-flip-blockid"));
    let whole = kept.recalled();
    // Nobody looks any more when all is read.
    let surveyor = super::Surveyor::new(
        kept.log.clone(),
        Arc::default(),
        Arc::new(super::Ear::new(|known| !matches!(known, Known::Whole(..)))),
    );
    surveyor.run(super::Done::Nothing);
    assert_eq!(kept.recalled(), whole);
}
