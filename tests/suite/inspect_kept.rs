//! What `inspect` keeps of a long QEMU log from one time to the next, where, and that it can do without.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use blkreplay_core::event::{EventData, EventKind};
use blkreplay_core::qemu::{Encoder, Layout};
use blkreplay_fixtures::bytes;
use bytes::Bytes;

use crate::support::{Sandbox, is_root};
use crate::terminal::Terminal;

/// A log that is long enough: one that QEMU wrote, and so much that its guest drew random bytes.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let log = bytes("qemu/logs/q100-boot_a.rr.zst");
    let mut log = zstd::decode_all(&log[..]).unwrap();
    let end = log.pop();
    let encoder = Encoder::new(Layout::named("0c/v8.0").unwrap());
    let data = EventData::new(Bytes::from(vec![7; 1 << 20])).unwrap();
    for _ in 0..17 {
        let drawn = EventKind::Random { result: 0, data: data.clone() };
        encoder.put(&drawn, None, &mut log).unwrap();
    }
    log.extend(end);
    sandbox.write("vm.rr", &log);
    sandbox
}

/// What is said of the log once all is known: how many events it has of each kind.
const LOOK: &str = "inspect --plain --view stats vm.rr";

fn said(sandbox: &Sandbox) -> String {
    sandbox.blkreplay(LOOK).finish().succeeds().stdout
}

/// Whether the kind that the long part of the log is of is counted.
fn is_counted(said: &str) -> bool {
    let mut words = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    words.any(|words| words.starts_with(&["RANDOM", "17"]))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_long_log_is_read_once_and_what_is_kept_is_where_caches_belong() {
    let sandbox = sandbox();
    let first = said(&sandbox);
    assert!(is_counted(&first), "{first}");
    let folder = sandbox.path("cache/blkreplay");
    let [index] = &files(&folder)[..] else { panic!("{:?}", files(&folder)) };
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(index)), (0o700, 0o600));
    let stamp = || {
        let found = fs::metadata(index).unwrap();
        (found.ino(), found.mtime(), found.mtime_nsec(), found.len())
    };
    let before = stamp();
    assert_eq!(said(&sandbox), first);
    assert_eq!(stamp(), before, "who reads the log again writes the file again");

    let whole = fs::read(index).unwrap();
    fs::write(index, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(said(&sandbox), first);
    assert_eq!(fs::read(index).unwrap(), whole, "what was cut is made anew");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(said(&sandbox), first);
    assert_eq!(fs::read(index).unwrap(), whole, "what was removed is made anew");
    assert!(!sandbox.path("vm.rr.index").exists() && files(&folder).len() == 1);
}

#[test]
fn the_screen_shows_the_same_and_the_home_is_taken_where_no_folder_for_caches_is_named() {
    let sandbox = sandbox();
    let home = sandbox.path("home");
    let look = || {
        let environment = [("HOME", home.to_str().unwrap())];
        let mut terminal = Terminal::with(&sandbox, "inspect vm.rr", 100, 30, &environment);
        terminal.wait_for(" 3,775 events");
        terminal.keys("9");
        terminal.wait_for("0 found, as blkreplay check finds them  QEMU replays");
        terminal.keys("5");
        // It is drawn line by line: what stands above the last kind has come with it.
        let is_end = |line: &str| line.trim_start().starts_with("END ");
        terminal.wait_until("the last kind", |screen| screen.lines().any(is_end));
        let screen = terminal.screen();
        let above = screen.lines().take_while(|line| !is_end(line)).map(str::trim_end);
        let above: Vec<String> = above.map(str::to_owned).collect();
        terminal.keys("Q");
        assert_eq!(terminal.finish(), 0);
        (above, files(&home.join(".cache/blkreplay")))
    };
    let first = look();
    assert_eq!(first.1.len(), 1);
    assert_eq!(look(), first);
}

#[test]
fn what_is_known_of_a_log_in_the_layout_that_was_asked_for_is_kept_apart() {
    let sandbox = sandbox();
    let (found, folder) = (said(&sandbox), sandbox.path("cache/blkreplay"));
    assert_eq!(files(&folder).len(), 1);
    // All of it is another's, so that what is known of the one would be wrong of the other.
    let other = format!("{LOOK} --qemu-layout 0e/v11.1");
    let asked = || sandbox.blkreplay(&other).finish().succeeds().stdout;
    let first = asked();
    assert!(first != found && files(&folder).len() == 2, "{first}");
    assert_eq!((asked(), said(&sandbox)), (first, found));
    assert_eq!(files(&folder).len(), 2);
}

#[test]
fn where_nothing_can_be_kept_nobody_is_troubled() {
    let sandbox = sandbox();
    let wanted = said(&sandbox);
    let locked = sandbox.path("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    sandbox.write("file", b"");
    // Root may write anywhere but below a file.
    for folder in
        [sandbox.path("file/below"), if is_root() { sandbox.path("file") } else { locked }]
    {
        let state = sandbox.path("state");
        let command = sandbox.blkreplay(LOOK);
        let command = command.env("XDG_CACHE_HOME", folder).env("XDG_STATE_HOME", &state);
        let seen = command.finish().succeeds();
        assert_eq!((seen.stdout, seen.stderr), (wanted.clone(), String::new()));
        let noted = fs::read_to_string(state.join("blkreplay/inspect.log")).unwrap();
        assert!(noted.contains("cannot keep the index of vm.rr as "), "{noted}");
        fs::remove_dir_all(state).unwrap();
    }
    let nowhere = sandbox.blkreplay(LOOK).env("XDG_CACHE_HOME", "").env("HOME", "");
    assert_eq!(nowhere.finish().succeeds().stdout, wanted);
}
