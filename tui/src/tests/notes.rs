//! Notes on requests, where one left off, where one begins, and commands that replay from a request on.

use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use blkreplay_fixtures::native;
use blkreplay_fixtures::story::{self, BEFORE, FAILED};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::Inspector;
use crate::action::View;
use crate::app::Effect;
use crate::desk::{Desk, Heard};
use crate::key::Key;
use crate::notebook::{NOTE_LENGTH, Notebook};
use crate::opened::{Begin, Opened};

/// A trace with its notes and its session in this directory.
fn opened(directory: &Path) -> Opened {
    let trace = directory.join("boot.blkr");
    if !trace.exists() {
        fs::write(&trace, story::trace()).unwrap();
    }
    let notebook = Notebook {
        beside: Some(directory.join("boot.blkr.notes.toml")),
        state: Some(directory.join("state")),
        keeps_session: true,
    };
    Opened { notebook, ..Inspector::opened(&trace, "boot.blkr") }
}

fn inspector(opened: Opened) -> Inspector {
    let desk = Desk::new(opened).unwrap();
    let terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let mut inspector = Inspector { desk, _file: None, terminal };
    inspector.settle();
    inspector
}

impl Inspector {
    /// Presses keys as the terminal does, so that what is to be kept is kept.
    pub(super) fn type_keys(&mut self, keys: &str) {
        for (place, part) in keys.split('\'').enumerate() {
            let pressed: Vec<Key> = if place % 2 == 0 {
                part.split_whitespace().map(|name| name.parse().unwrap()).collect()
            } else {
                part.chars().map(Key::char).collect()
            };
            for key in pressed {
                self.desk.take(Heard::Key(key));
                self.settle();
            }
        }
    }
}

#[test]
fn a_search_finds_texts_of_notes_as_well_as_those_of_lines() {
    let directory = tempfile::tempdir().unwrap();
    let mut inspector = inspector(opened(directory.path()));
    inspector.type_keys(
        ": '300' enter a 'Journal of the guest' enter : '20' enter a 'the journal again' enter g",
    );
    inspector.type_keys("/ 'journal' enter");
    let mut found = vec![inspector.focused()];
    inspector.type_keys("n");
    found.push(inspector.focused());
    assert_eq!(found, [20, 300]);
    inspector.type_keys("n");
    assert_eq!(
        (inspector.focused(), inspector.message()),
        (20, "went over the end, on from the beginning")
    );
    inspector.type_keys("/ 'Journal' enter N");
    assert_eq!((inspector.focused(), inspector.message()), (300, "no other request has `Journal`"));
    inspector.type_keys("f 'id < 100' enter g / 'journal' enter n");
    assert_eq!(
        inspector.message(),
        "no other request has `journal`",
        "one that is not shown is not found"
    );
    inspector.type_keys(": '20' enter a ctrl-u enter / 'journal' enter");
    assert_eq!(inspector.message(), "no request that is shown has `journal`");
}

#[test]
fn a_note_stands_in_a_file_beside_the_trace_and_is_there_the_next_time() {
    let directory = tempfile::tempdir().unwrap();
    let before = {
        let mut inspector = inspector(opened(directory.path()));
        inspector.type_keys("e a 'the \"bad\" sector' enter");
        assert!(inspector.message().contains("boot.blkr.notes.toml"), "{}", inspector.message());
        assert!(
            inspector.screen().contains("note     the \"bad\" sector"),
            "{}",
            inspector.screen()
        );
        let focused = inspector.screen();
        let focused = focused.lines().find(|line| line.starts_with('>')).unwrap();
        assert!(focused.starts_with(">\""), "{focused}");
        fs::read(directory.path().join("boot.blkr")).unwrap()
    };
    assert_eq!(before, story::trace(), "the trace is as it was");
    let text = fs::read_to_string(directory.path().join("boot.blkr.notes.toml")).unwrap();
    assert!(text.contains(&format!("request = {FAILED}")), "{text}");
    let mut inspector = inspector(opened(directory.path()));
    assert_eq!(inspector.desk.app.notes[&FAILED], "the \"bad\" sector");
    inspector.type_keys("e a ctrl-u 'another' enter");
    assert_eq!(inspector.desk.app.notes[&FAILED], "another");
    inspector.type_keys("a ctrl-u enter");
    assert!(inspector.desk.app.notes.is_empty());
    assert!(inspector.message().contains("is gone"), "{}", inspector.message());
    let text = fs::read_to_string(directory.path().join("boot.blkr.notes.toml")).unwrap();
    assert!(!text.contains("another"), "{text}");
}

#[test]
fn notes_go_elsewhere_where_one_cannot_write_beside_the_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = opened(directory.path());
    opened.notebook.beside = Some("/proc/nowhere/boot.blkr.notes.toml".into());
    let state = directory.path().join("state");
    let mut noting = inspector(opened.clone());
    noting.type_keys("e a 'kept' enter");
    assert!(noting.message().contains(state.to_str().unwrap()), "{}", noting.message());
    assert_eq!(inspector(opened.clone()).desk.app.notes[&FAILED], "kept");
    opened.notebook.state = None;
    let mut inspector = inspector(opened);
    inspector.type_keys("e a 'not lost' enter");
    assert!(inspector.message().contains("cannot write /proc/nowhere"), "{}", inspector.message());
    assert!(inspector.desk.app.notes.is_empty());
}

#[test]
fn a_note_that_cannot_be_kept_is_there_to_be_written_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut opened = opened(directory.path());
    opened.notebook.beside = Some("/proc/x.toml".into());
    opened.notebook.state = None;
    let mut inspector = inspector(opened);
    inspector.terminal = Terminal::new(TestBackend::new(60, 30)).unwrap();
    inspector.type_keys("e a 'bad' enter");
    let last = |inspector: &Inspector| inspector.screen().lines().last().unwrap().to_owned();
    assert!(
        last(&inspector).starts_with("   cannot write /proc/x.toml: "),
        "there is no more room"
    );
    inspector.terminal = Terminal::new(TestBackend::new(200, 30)).unwrap();
    inspector.settle();
    let both = format!(" note on #{FAILED}: bad   cannot write /proc/x.toml: ");
    assert!(last(&inspector).starts_with(&both), "{}", last(&inspector));
    inspector.type_keys("' sector'");
    assert_eq!(last(&inspector), format!(" note on #{FAILED}: bad sector"));
    inspector.desk.app.requests.go(0);
    inspector.type_keys("enter");
    assert!(last(&inspector).contains("cannot write"), "it is tried again: {}", last(&inspector));
    inspector.type_keys("esc");
    assert!(inspector.desk.app.notes.is_empty());
}

#[test]
fn a_note_takes_no_more_characters_than_it_may_have_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let mut inspector = inspector(opened(directory.path()));
    inspector.desk.app.press("e".parse().unwrap());
    inspector.settle();
    inspector.desk.app.press("a".parse().unwrap());
    for _ in 0..NOTE_LENGTH {
        inspector.desk.app.press(Key::char('ö'));
    }
    assert_eq!(inspector.message(), "");
    inspector.desk.app.press(Key::char('n'));
    let refused = "a note has no more than 2,000 characters, and this has 2,000";
    assert_eq!(inspector.message(), refused);
    inspector.type_keys("backspace 'n' enter");
    let all = "ö".repeat(NOTE_LENGTH - 1) + "n";
    assert_eq!(inspector.desk.app.notes[&FAILED], all);
}

#[test]
fn a_note_that_is_longer_in_its_file_is_never_cut() {
    let directory = tempfile::tempdir().unwrap();
    let beside = directory.path().join("boot.blkr.notes.toml");
    inspector(opened(directory.path())).type_keys("e a 'short' enter");
    let long = "long ".repeat(500) + "end";
    let text = fs::read_to_string(&beside).unwrap().replace("short", &long);
    fs::write(&beside, &text).unwrap();
    let mut inspector = inspector(opened(directory.path()));
    inspector.type_keys("e a enter");
    assert_eq!(inspector.message(), "");
    inspector.type_keys("a backspace enter");
    let refused = "a note has no more than 2,000 characters, and this has 2,502";
    assert_eq!(inspector.message(), refused);
    inspector.type_keys("esc");
    assert_eq!(inspector.desk.app.notes[&FAILED], long);
    assert_eq!(fs::read_to_string(&beside).unwrap(), text);
}

#[test]
fn a_note_that_is_kept_elsewhere_wins_over_the_one_beside_the_trace() {
    let directory = tempfile::tempdir().unwrap();
    let beside = directory.path().join("boot.blkr.notes.toml");
    inspector(opened(directory.path())).type_keys("a 'first' enter e a 'theirs' enter");
    // What is there can be read, and nothing be put in its place.
    let file = fs::File::open(&beside).unwrap();
    let mut read_only = opened(directory.path());
    read_only.notebook.beside = Some(format!("/proc/self/fd/{}", file.as_raw_fd()).into());
    let mut changing = inspector(read_only.clone());
    changing.type_keys("e a ctrl-u 'mine' enter");
    let again = inspector(read_only.clone());
    assert_eq!(again.desk.app.notes[&FAILED], "mine");
    assert_eq!(again.desk.app.notes[&0], "first", "what was not changed is there");
    changing.type_keys("a ctrl-u enter");
    let again = inspector(read_only.clone());
    assert!(!again.desk.app.notes.contains_key(&FAILED), "it stays away");
    let mut pages = fs::read_dir(directory.path().join("state")).unwrap();
    let page = pages.next().unwrap().unwrap().path();
    assert!(fs::read_to_string(&page).unwrap().contains("text = \"\""));
    assert!(fs::read_to_string(&beside).unwrap().contains("theirs"));
    // One that can be kept beside the trace again is there alone.
    inspector(opened(directory.path())).type_keys("e a 'new' enter");
    assert_eq!(inspector(opened(directory.path())).desk.app.notes[&FAILED], "new");
    assert!(!fs::read_to_string(&page).unwrap().contains("[[note]]"));
}

#[test]
fn a_new_file_of_notes_is_for_its_owner_alone_and_one_that_is_there_stays_as_open_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let beside = directory.path().join("boot.blkr.notes.toml");
    let mode = || fs::metadata(&beside).unwrap().permissions().mode() & 0o777;
    inspector(opened(directory.path())).type_keys("a 'one' enter");
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o664)).unwrap();
    inspector(opened(directory.path())).type_keys("a 'two' enter");
    assert_eq!(mode(), 0o664);
}

#[test]
fn notes_of_another_recording_and_what_is_no_notes_are_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let beside = directory.path().join("boot.blkr.notes.toml");
    for (text, why) in [
        (format!("trace = \"{:032x}\"\n", 7), "is about another recording"),
        ("no toml".to_owned(), "cannot be understood"),
        ("trace = 3\n".to_owned(), "cannot be understood"),
        (" ".repeat(5 << 20), "is too long"),
    ] {
        fs::write(&beside, &text).unwrap();
        let mut inspector = inspector(opened(directory.path()));
        assert!(inspector.message().contains(why), "{}", inspector.message());
        inspector.type_keys("a 'mine' enter");
        assert!(inspector.message().contains(why), "{}", inspector.message());
        assert_eq!(fs::read_to_string(&beside).unwrap(), text);
    }
}

#[test]
fn one_goes_on_where_one_left_off_but_not_in_another_trace() {
    let directory = tempfile::tempdir().unwrap();
    let mut leaving = inspector(opened(directory.path()));
    leaving.type_keys("e f 'write' enter 2");
    leaving.desk.leave();
    let mut again = inspector(opened(directory.path()));
    let app = &again.desk.app;
    assert_eq!((app.filtering.text(), app.view), ("write", View::Map));
    assert!(again.message().contains("as you left it, filter write"), "{}", again.message());
    again.type_keys("1");
    assert_eq!(again.focused(), FAILED);
    let asked = Begin { view: Some(View::Stats), ..Begin::default() };
    let app = inspector(Opened { begin: asked, ..opened(directory.path()) });
    let app = &app.desk.app;
    assert_eq!((app.filtering.text(), app.view), ("", View::Stats), "who asks gets what was asked");
    let mut leaving = inspector(opened(directory.path()));
    leaving.type_keys("8");
    leaving.desk.leave();
    let view = inspector(opened(directory.path())).desk.app.view;
    assert_eq!(view, View::Requests, "what it was compared with is not there");
    let mut anew = opened(directory.path());
    anew.notebook.keeps_session = false;
    assert_eq!(inspector(anew).desk.app.filtering.text(), "");
    fs::write(directory.path().join("boot.blkr"), native::many_chunks(30)).unwrap();
    let app = inspector(opened(directory.path()));
    let app = &app.desk.app;
    assert_eq!((app.filtering.text(), app.view), ("", View::Requests));
}

#[test]
fn a_filter_that_was_dropped_does_not_come_back_when_the_file_is_opened_anew() {
    let directory = tempfile::tempdir().unwrap();
    let mut leaving = inspector(opened(directory.path()));
    leaving.type_keys("f 'write' enter e");
    leaving.desk.leave();
    let mut again = inspector(opened(directory.path()));
    assert_eq!(again.desk.app.filtering.text(), "write");
    again.type_keys("backspace");
    let desk = again.desk.anew().unwrap();
    let app = &desk.app;
    assert_eq!(app.filtering.text(), "");
    again.type_keys("f 'read' enter ctrl-t");
    assert_eq!(again.desk.app.filtering.off.as_deref(), Some("read"));
    let desk = again.desk.anew().unwrap();
    let app = &desk.app;
    assert_eq!((app.filtering.text(), app.filtering.off.as_deref()), ("", Some("read")));
}

#[test]
fn who_only_looked_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    inspector(opened(directory.path())).desk.leave();
    assert!(!directory.path().join("state").exists());
}

#[test]
fn one_begins_with_the_filter_the_view_and_the_place_that_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let begin = Begin {
        filter: Some("off == 135266304".to_owned()),
        view: Some(View::Latency),
        at: Some(format!("#{BEFORE}")),
    };
    let mut inspector = inspector(Opened { begin, ..opened(directory.path()) });
    assert_eq!((inspector.shown(), inspector.focused()), (3, BEFORE));
    assert_eq!(inspector.desk.app.view, View::Latency);
    assert_eq!(inspector.press("q"), Some(Effect::Quit), "it is there, and on no way");
}

#[test]
fn commands_that_replay_from_a_request_on_are_copied() {
    let mut inspector = Inspector::new(100, 30);
    let Some(Effect::Copy(text)) = inspector.press("r") else { panic!() };
    assert_eq!(text, "blkreplay replay boot.blkr IMAGE");
    let Some(Effect::Copy(text)) = inspector.press("e r") else { panic!() };
    assert!(text.contains(&format!("--write --until '#{FAILED}'")), "{text}");
    assert!(text.contains(&format!("slice boot.blkr --from '#{FAILED}' -o")), "{text}");
}
