//! The help: it lists exactly the keys that do something, what matters first, finds what is typed, and does what is picked.

use std::collections::BTreeSet;

use blkreplay_fixtures::story::FAILED;
use snapbox::{assert_data_eq, file};

use super::Inspector;
use crate::action::{Charting, View};
use crate::app::{Effect, Over};
use crate::keymap::{BINDINGS, Keymap, Preset, Rebinding};
use crate::view::help_line;

/// The lines of the help on a screen that is high enough for all.
fn listed(inspector: &Inspector) -> Vec<String> {
    let screen = inspector.screen();
    let lines: Vec<&str> = screen.lines().collect();
    let behind = lines.len() - 1;
    lines[2..behind].iter().map(|line| line[1..].trim().to_owned()).collect()
}

fn high() -> Inspector {
    Inspector::new(100, u16::try_from(BINDINGS.len()).unwrap() + 3)
}

#[test]
fn the_help_lists_exactly_the_keys_that_do_something() {
    for (view, key, _) in View::ALL {
        let mut inspector = high();
        inspector.press(&format!("{key} ?"));
        let keymap = Keymap::default();
        let expected: BTreeSet<String> =
            keymap.lines().iter().map(|bound| help_line(bound, true).trim().to_owned()).collect();
        let listed = listed(&inspector);
        assert_eq!(listed.len(), BINDINGS.len(), "{view:?}");
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected, "{view:?}");
    }
}

#[test]
fn what_matters_in_the_view_comes_first() {
    for (keys, first, last) in [("2", "near-time", "copy-line"), ("1", "next-error", "near-time")] {
        let mut inspector = high();
        inspector.press(&format!("{keys} ?"));
        let listed = listed(&inspector);
        let at = |name: &str| listed.iter().position(|line| line.contains(name)).unwrap();
        assert!(at(first) < at("page-down") && at("page-down") < at(last), "{keys}: {listed:?}");
    }
}

#[test]
fn what_is_typed_is_searched_for_and_enter_does_what_is_picked() {
    let mut inspector = high();
    inspector.press("? 'ERROR next'");
    let screen = inspector.screen();
    assert!(screen.contains("next-error") && !screen.contains("copy-line"), "{screen}");
    assert_eq!(inspector.press("enter"), None);
    assert!(inspector.desk.app.over.is_none());
    assert_eq!(inspector.focused(), FAILED);
    inspector.press("? 'no command is called so'");
    assert!(inspector.screen().contains("no key does anything like"), "{}", inspector.screen());
    assert_eq!(inspector.press("enter"), None);
    let copied = inspector.press("? 'qemu-io' enter");
    assert_eq!(copied, Some(Effect::Copy("write -f 135266304 4096".to_owned())));
    assert_eq!(inspector.press("? 'quit at once' enter"), Some(Effect::Quit));
}

#[test]
fn keys_that_are_letters_are_searched_for_and_arrows_pick() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("? 'copy' down down up");
    let Some(Over::Help(help)) = &inspector.desk.app.over else { panic!() };
    let lines = help.lines(&inspector.desk.app.keymap);
    let picked = help.picked(&inspector.desk.app.keymap);
    assert_eq!(picked, Some(lines[1].binding.action));
    inspector.press("backspace backspace backspace backspace pgdn pgdn pgdn pgdn pgdn");
    let Some(Over::Help(help)) = &inspector.desk.app.over else { panic!() };
    let lines = help.lines(&inspector.desk.app.keymap);
    assert_eq!(lines.len(), BINDINGS.len());
    let picked = help.picked(&inspector.desk.app.keymap);
    assert_eq!(picked, lines.last().map(|bound| bound.binding.action));
    let screen = inspector.screen();
    assert!(screen.lines().nth_back(1).unwrap().starts_with('>'), "{screen}");
    inspector.press("esc");
    assert!(inspector.desk.app.over.is_none());
    inspector.press("? ?");
    assert!(inspector.desk.app.over.is_none(), "it closes what it opened");
}

#[test]
fn help_and_hints_show_the_keys_that_are_bound() {
    let mut inspector = Inspector::new(80, 24);
    let bound = Rebinding { name: "map-value".to_owned(), keys: vec!["f9".to_owned()] };
    inspector.desk.app.keymap = Keymap::of(Preset::Termshark, &[bound]).unwrap();
    inspector.settle();
    assert!(inspector.screen().contains(" / filter"), "{}", inspector.screen());
    inspector.press("2");
    assert!(inspector.screen().contains("f9 value"), "{}", inspector.screen());
    let before = inspector.desk.app.map.value;
    inspector.press("o");
    assert_eq!(inspector.desk.app.map.value, before);
    inspector.press("f9");
    assert_ne!(inspector.desk.app.map.value, before);
    inspector.press("? 'map-value'");
    assert!(inspector.screen().contains("f9 "), "{}", inspector.screen());
    let Some(Over::Help(help)) = &inspector.desk.app.over else { panic!() };
    let picked = help.picked(&inspector.desk.app.keymap);
    assert_eq!(picked, Some(crate::action::Action::Chart(Charting::Value)));
    inspector.press("esc 1 / 'flush' enter");
    assert_eq!(inspector.desk.app.filtering.text(), "flush");
}

#[test]
fn whatever_enter_and_esc_are_bound_to_they_end_what_is_being_written() {
    let mut inspector = Inspector::new(80, 24);
    let bound = [
        Rebinding { name: "open".to_owned(), keys: vec!["o".to_owned()] },
        Rebinding { name: "map-value".to_owned(), keys: vec!["enter".to_owned()] },
        Rebinding { name: "cancel".to_owned(), keys: Vec::new() },
    ];
    inspector.desk.app.keymap = Keymap::of(Preset::Default, &bound).unwrap();
    inspector.press("f 'flush' enter");
    assert_eq!(inspector.desk.app.filtering.text(), "flush");
    inspector.press("f ctrl-u 'read' esc");
    assert!(inspector.desk.app.over.is_none());
    assert_eq!(inspector.desk.app.filtering.text(), "flush");
    inspector.press("o");
    assert!(matches!(inspector.desk.app.over, Some(Over::Detail)));
}

#[test]
fn pictures_of_the_help() {
    for (size, keys, expected) in [
        ((40, 10), "? 'copy'", file!["screens/help-40x10.txt"]),
        ((80, 24), "2 ? 'map:'", file!["screens/help-map-80x24.txt"]),
        ((120, 40), "? 'filter' down", file!["screens/help-120x40.txt"]),
    ] {
        let mut inspector = Inspector::new(size.0, size.1);
        inspector.press(keys);
        assert_data_eq!(inspector.screen(), expected.raw());
    }
}
