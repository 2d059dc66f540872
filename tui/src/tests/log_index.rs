//! What is kept of QEMU logs from one look to the next: it changes nothing but how soon all is known, whatever becomes of it or of the log.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tempfile::TempDir;
use twox_hash::XxHash3_128;

use super::Inspector;
use super::logs::log;
use crate::desk::Desk;
use crate::events::log::Bounds;
use crate::opened::Opened;
use crate::state::events::Known;
use crate::view;

const LABEL: &str = "0c/v8.0";

/// Every log is worth it.
const BOUNDS: Bounds = Bounds { log_bytes_min: 1, files: 64, bytes: 1 << 20 };

/// A log, and a folder for what is kept.
struct Place {
    folder: TempDir,
    bounds: Bounds,
}

impl Place {
    fn of(log: &[u8]) -> Place {
        let place = Place { folder: tempfile::tempdir().unwrap(), bounds: BOUNDS };
        fs::write(place.path("vm.rr"), log).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn opened(&self, log: &str, label: &str) -> Opened {
        Inspector::opened_log(&self.path(log), label, Some(self.folder.path()), self.bounds)
    }

    fn look_at(&self, log: &str) -> Inspector {
        Inspector::at(self.opened(log, LABEL), 100, 30)
    }

    fn look(&self) -> Inspector {
        self.look_at("vm.rr")
    }

    /// The files that are kept, the oldest first.
    fn kept(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path("blkreplay")) else { return Vec::new() };
        let mut kept: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        kept.retain(|path| path.extension().is_some());
        kept.sort_by_key(|path| (fs::metadata(path).unwrap().modified().unwrap(), path.clone()));
        kept
    }

    /// The one file that is kept.
    fn index(&self) -> PathBuf {
        let kept = self.kept();
        assert_eq!(kept.len(), 1, "{kept:?}");
        kept[0].clone()
    }
}

/// Whether a file is the same, and was not written since.
fn stamp(path: &Path) -> (u64, i64, i64) {
    let found = fs::metadata(path).unwrap();
    (found.ino(), found.mtime(), found.mtime_nsec())
}

/// What somebody sees who goes through a log.
fn seen(inspector: &mut Inspector) -> Vec<String> {
    let mut seen = Vec::new();
    for keys in ["7 g", "G", "1 g", "G", "5", "9 g", "G"] {
        inspector.press(keys);
        seen.push(inspector.screen());
    }
    // How far a list is scrolled depends on what of it was read first.
    for keys in ["1 : '#5' enter", "w", "W"] {
        inspector.press(keys);
        let app = &inspector.desk.app;
        seen.push(format!("{:?} {}", app.events.focused(), inspector.message()));
    }
    seen
}

/// Asserts that somebody who goes through a log sees this.
#[track_caller]
fn assert_seen(mut inspector: Inspector, wanted: &[String], what: &str) {
    for (screen, wanted) in seen(&mut inspector).iter().zip(wanted) {
        assert!(screen == wanted, "{what}:\n{screen}\nis not\n{wanted}");
    }
}

/// The events of a log, as they are shown.
fn events(inspector: &mut Inspector) -> Vec<String> {
    inspector.press("7 g G 1 g");
    let mut events = Vec::new();
    for index in 0..inspector.desk.app.events.len() {
        inspector.desk.app.events.focus_on(index);
        if inspector.desk.app.events.focused().is_none() {
            inspector.settle();
        }
        match inspector.desk.app.events.at(index) {
            Known::Line(line) => events.push(line.text().to_owned()),
            other => panic!("{index}: {other:?}"),
        }
    }
    events
}

/// The events of a log again and again, so that there are many blocks and much is wrong with it.
fn long() -> Vec<u8> {
    let once = log("q100-boot_a");
    let (header, events) = once.split_at(12);
    let (events, end) = events.split_at(events.len() - 1);
    [header, &events.repeat(5), end].concat()
}

#[test]
fn a_log_that_was_looked_at_looks_the_same_again_and_is_not_read_to_its_end() {
    let short = ["q100-fix-a1", "q100-boot_a", "q100-trunc-half", "q100-flip-blockid"]
        .map(|name| (name, log(name)));
    let others = [
        ("q100-killed", log("q100-killed")),
        ("q100-flip-eventid", log("q100-flip-eventid")),
        ("without an event", log("q100-fix-a1")[..12].to_vec()),
        ("long", long()),
    ];
    for (name, log) in short.into_iter().chain(others) {
        let place = Place::of(&log);
        let wanted = seen(&mut Inspector::of_log(&log, LABEL, 100, 30));
        assert_seen(place.look(), &wanted, &format!("{name}, the first time"));
        let before = stamp(&place.index());
        assert_seen(place.look(), &wanted, &format!("{name}, the second time"));
        assert_eq!(stamp(&place.index()), before, "{name} was read again");
    }
}

#[test]
fn all_is_known_when_the_first_picture_of_a_log_is_drawn_the_second_time() {
    let first_picture = |place: &Place| {
        let mut desk = Desk::new(place.opened("vm.rr", LABEL)).unwrap();
        let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
        terminal.draw(|frame| view::draw(&mut desk.app, frame)).unwrap();
        let log = desk.app.log.as_ref().unwrap();
        (log.is_whole, log.checked.is_some(), log.found(), terminal.backend().to_string())
    };
    let (is_whole, is_checked, found, _) = first_picture(&Place::of(&long()));
    assert_eq!((is_whole, is_checked, found), (false, false, 0));
    let place = Place::of(&long());
    let checked = place.look().desk.app.log.as_ref().unwrap().found();
    let (is_whole, is_checked, found, picture) = first_picture(&place);
    assert_eq!((is_whole, is_checked, found), (true, true, checked));
    assert!(checked > 0 && picture.contains(" 18,786 events"), "{picture}");
}

#[test]
fn what_became_of_the_log_makes_what_was_kept_worthless() {
    let log = long();
    let change = |at: usize| {
        let mut changed = log.clone();
        changed[at] ^= 0x40;
        changed
    };
    let middle = log.len() / 2;
    let changed = [
        ("it grew", [&log[..], &[0, 0, 0, 0, 9]].concat()),
        ("it shrank", log[..middle].to_vec()),
        ("its first byte is another", change(13)),
        ("its last byte is another", change(log.len() - 1)),
        ("a byte in its middle is another", change(middle)),
        ("nothing but its times", log.clone()),
    ];
    for (what, now) in changed {
        let place = Place::of(&log);
        place.look();
        let (path, before) = (place.path("vm.rr"), stamp(&place.index()));
        let was = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, &now).unwrap();
        // Somebody set it back, as if nothing had been written.
        let times = FileTimes::new().set_modified(was);
        File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
        let wanted = seen(&mut Inspector::of_log(&now, LABEL, 100, 30));
        assert_seen(place.look(), &wanted, what);
        assert_ne!(stamp(&place.index()), before, "{what}");
    }
}

#[test]
fn whatever_a_kept_file_says_the_events_are_those_of_the_log() {
    let log = log("q100-boot_a");
    let wanted = events(&mut Inspector::of_log(&log, LABEL, 60, 200));
    let place = Place::of(&log);
    place.look();
    let index = place.index();
    let whole = fs::read(&index).unwrap();
    let length = whole.len() - 16;
    let mut taken = 0;
    for at in 0..length {
        let mut forged = whole[..length].to_vec();
        forged[at] ^= 1;
        forged.extend(XxHash3_128::oneshot(&forged).to_le_bytes());
        fs::write(&index, &forged).unwrap();
        let opened = place.opened("vm.rr", LABEL);
        if opened.log.as_ref().unwrap().index.layout().is_none() {
            continue;
        }
        taken += 1;
        let mut inspector = Inspector::at(opened, 60, 200);
        assert_eq!(events(&mut inspector), wanted, "byte {at} of {length}");
        seen(&mut inspector);
    }
    assert!(taken > 20, "{taken} of {length} bytes may have been otherwise");
}

#[test]
fn a_kept_file_that_is_cut_is_made_anew() {
    let log = log("q100-boot_a");
    let place = Place::of(&log);
    let wanted = seen(&mut place.look());
    let index = place.index();
    let whole = fs::read(&index).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&index, &whole[..length]).unwrap();
        assert_seen(place.look(), &wanted, &format!("{length} bytes"));
        assert_eq!(fs::read(&index).unwrap(), whole, "{length}");
    }
}

#[test]
fn where_nothing_can_be_kept_a_log_is_looked_at_all_the_same_and_it_is_noted() {
    let log = log("q100-boot_a");
    let wanted = seen(&mut Inspector::of_log(&log, LABEL, 100, 30));
    let place = Place::of(&log);
    fs::write(place.path("blkreplay"), "a file").unwrap();
    assert_eq!(place.look().message(), "");
    assert_seen(place.look(), &wanted, "nothing is kept");
    let noted = fs::read_to_string(place.path("inspect.log")).unwrap();
    assert!(noted.contains("cannot keep the index of ") && noted.contains("vm.rr"), "{noted}");
}

#[test]
fn a_log_that_is_read_in_no_time_is_not_kept() {
    let log = log("q100-boot_a");
    for (log_bytes_min, kept) in [(log.len() as u64, 1), (log.len() as u64 + 1, 0)] {
        let mut place = Place::of(&log);
        place.bounds.log_bytes_min = log_bytes_min;
        place.look();
        assert_eq!(place.kept().len(), kept);
    }
}

#[test]
fn only_the_owner_can_read_what_is_kept() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let place = Place::of(&log("q100-fix-a1"));
    place.look();
    assert_eq!((mode(&place.path("blkreplay")), mode(&place.index())), (0o700, 0o600));
    // A folder that others could read was made by somebody else.
    fs::set_permissions(place.path("blkreplay"), Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(place.index()).unwrap();
    place.look();
    assert_eq!((mode(&place.path("blkreplay")), mode(&place.index())), (0o700, 0o600));
}

#[test]
fn no_more_is_kept_than_allowed_and_what_is_newest_stays() {
    let log = log("q100-fix-a1");
    let mut place = Place::of(&log);
    place.bounds.files = 3;
    let mut made: Vec<PathBuf> = Vec::new();
    for number in 0..6 {
        let name = format!("{number}.rr");
        fs::write(place.path(&name), &log).unwrap();
        place.look_at(&name);
        let new = place.kept().into_iter().find(|path| !made.contains(path)).unwrap();
        // Files of the same moment have no order.
        let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1000 + number);
        File::options().write(true).open(&new).unwrap().set_modified(then).unwrap();
        made.push(new);
        if number == 0 {
            fs::write(place.path("blkreplay/of somebody else"), "").unwrap();
        }
    }
    assert_eq!(place.kept(), made[3..]);
    assert!(place.path("blkreplay/of somebody else").exists());
    let bytes = fs::metadata(&made[5]).unwrap().len();
    place.bounds.bytes = bytes * 2 + bytes / 2;
    place.look();
    assert_eq!(place.kept().len(), 2);
    assert!(made[5].exists() && !made[4].exists());
    place.bounds.bytes = bytes / 2;
    fs::remove_file(&made[5]).unwrap();
    place.look_at("5.rr");
    assert!(!made[5].exists(), "one that is too large by itself");
}
