//! What is told of a comparison late, or after something else was wanted. Keys and answers in any order in, state out.

use std::mem::take;

use blkreplay_core::diff::Learned;

use super::diff::{Two, diff, retold};
use crate::app::{App, Effect, Over};
use crate::compare::{Ask, Change, Proposed, Told, Trouble};
use crate::key::Key;
use crate::state::diff::{Diff, Line, Stage};

fn app(two: &mut Two) -> &mut App {
    &mut two.inspector.desk.app
}

fn state(two: &mut Two) -> &mut Diff {
    app(two).diff.as_mut().unwrap()
}

/// Presses keys of which nobody hears yet; what came of the last.
fn press(two: &mut Two, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for name in keys.split(' ') {
        effect = app(two).press(name.parse::<Key>().unwrap());
    }
    effect
}

fn refused() -> Result<(), Trouble> {
    Err(Trouble { message: "the disk is full".to_owned(), hints: Vec::new() })
}

#[test]
fn while_a_file_is_changed_nothing_else_is_begun_and_how_it_went_is_said() {
    const BUSY: &str = "the last change is still being made";
    let mut two = retold((100, 26));
    press(&mut two, "n b y");
    assert_eq!(take(&mut state(&mut two).change), Some(Change::Bless));
    for keys in ["i", "b"] {
        press(&mut two, keys);
        assert_eq!(two.inspector.message(), BUSY, "{keys}");
        assert!(app(&mut two).over.is_none(), "{keys}");
    }
    // A rule that was looked for before, and one whose reason is being typed.
    let nothing =
        Proposed { learned: Learned::default(), devices: Vec::new(), text: String::new() };
    let proposed = || Box::new(nothing.clone());
    app(&mut two).compared(1, Told::Learned(0, Ok(Some(proposed()))));
    assert_eq!(two.inspector.message(), BUSY);
    app(&mut two).over = Some(Over::Rules(proposed(), crate::state::prompt::Prompt::default()));
    press(&mut two, "enter");
    assert_eq!((two.inspector.message(), diff(&two).change.as_ref()), (BUSY, None));
    state(&mut two).stage = Stage::Compares;
    press(&mut two, "esc 1 8");
    assert_eq!(two.inspector.message(), BUSY);
    assert_eq!((diff(&two).number, diff(&two).stage), (1, Stage::Stopped));
    assert_eq!(press(&mut two, "q"), None, "who would end is told of it");
    app(&mut two).compared(1, Told::Blessed(refused()));
    assert_eq!(two.inspector.message(), "the disk is full");
    assert!(!diff(&two).changes);
    two.inspector.press("1 8");
    assert_eq!((diff(&two).number, diff(&two).stage), (2, Stage::Done));
}

#[test]
fn how_a_change_went_is_said_even_if_it_is_compared_anew_meanwhile() {
    for (told, text) in [
        (Told::Blessed as fn(_) -> _, "base.blkr is what boot.blkr is; compared anew"),
        (Told::Ignored, "blkreplay.toml has the rule; compared anew"),
    ] {
        for done in [Ok(()), refused()] {
            let mut two = retold((100, 26));
            press(&mut two, "b y");
            state(&mut two).begin();
            assert_eq!(diff(&two).change, Some(Change::Bless), "it is still to be made");
            assert!(diff(&two).changes);
            assert!(two.inspector.screen().contains("5 differences"));
            state(&mut two).change = None;
            let is_done = done.is_ok();
            app(&mut two).compared(1, told(done));
            let text = if is_done { text } else { "the disk is full" };
            assert_eq!(two.inspector.message(), text);
            assert_eq!((diff(&two).number, diff(&two).changes), (2 + u64::from(is_done), false));
        }
    }
}

/// What is asked to be explained.
fn asked_to_explain(two: &mut Two) -> Vec<usize> {
    let asked = |ask| match ask {
        Ask::Explain(number, _) => Some(number),
        _ => None,
    };
    take(&mut state(two).asks).into_iter().filter_map(asked).collect()
}

#[test]
fn who_comes_back_to_a_difference_sees_its_bytes_whenever_those_of_another_come() {
    let mut two = retold((100, 26));
    two.inspector.press("g n d");
    let first = diff(&two).difference().unwrap().0;
    let known = diff(&two).known().unwrap().clone();
    // The one beside it is asked for, and nobody waits for the answer.
    press(&mut two, "n");
    let second = diff(&two).difference().unwrap().0;
    assert_eq!(asked_to_explain(&mut two), [second]);
    press(&mut two, "N");
    assert_eq!(diff(&two).known(), Some(&known), "it is still known");
    assert_eq!(asked_to_explain(&mut two), [0; 0]);
    app(&mut two).compared(1, Told::Explained(second, known.clone()));
    assert_eq!(asked_to_explain(&mut two), [first], "it is asked for again");
    app(&mut two).compared(1, Told::Explained(first, known.clone()));
    assert_eq!(diff(&two).known(), Some(&known));
    assert_eq!(asked_to_explain(&mut two), [0; 0]);
}

/// The rows that are asked for: of which section, and the number of its unfolding.
fn asked_rows(two: &mut Two) -> Vec<(usize, u64)> {
    let asked = |ask| match ask {
        Ask::Rows(stretch) => Some((stretch.section, stretch.unfolding)),
        _ => None,
    };
    take(&mut state(two).asks).into_iter().filter_map(asked).collect()
}

#[test]
fn rows_that_were_asked_for_before_a_section_was_folded_do_not_come_with_those_asked_for_after() {
    let mut two = retold((100, 26));
    let folds = |line: &Line| matches!(line, Line::Fold(_));
    let at = diff(&two).lines().iter().position(folds).unwrap();
    two.inspector.press("g");
    two.inspector.press(&"j ".repeat(at));
    let before = diff(&two).lines().to_vec();
    two.inspector.press("enter");
    let (section, rows) = match before[at] {
        Line::Fold(section) => (section, diff(&two).unfolded(section).unwrap().rows.clone()),
        line => panic!("{line:?}"),
    };
    assert!(!rows.is_empty());
    let unfolded = diff(&two).lines().to_vec();
    two.inspector.press("h");
    assert_eq!(diff(&two).lines(), before);
    press(&mut two, "enter h enter");
    let asked = asked_rows(&mut two);
    let [(first, old), (second, new)] = asked[..] else { panic!("{asked:?}") };
    assert_eq!((first, second), (section, section));
    let mut tell =
        |unfolding, read| app(&mut two).compared(1, Told::Rows(section, unfolding, read));
    tell(old, Err(refused().unwrap_err()));
    tell(old, Ok((rows.clone(), true)));
    tell(new, Ok((rows.clone(), true)));
    tell(old, Ok((rows.clone(), true)));
    assert_eq!(diff(&two).unfolded(section).unwrap().rows, rows);
    assert_eq!(diff(&two).lines(), unfolded);
    assert_eq!(diff(&two).trouble, None);
}
