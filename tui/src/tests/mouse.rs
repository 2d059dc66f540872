//! The mouse: what is clicked is looked at, the wheel moves, and nothing is opened.

use blkreplay_fixtures::story::FAILED;

use super::Inspector;
use crate::action::View;
use crate::app::{Effect, Over};
use crate::mouse::{Does, Mouse};

fn point(inspector: &mut Inspector, does: Does, at: (u16, u16)) {
    inspector.desk.app.pointed(Mouse { at, does });
    inspector.settle();
}

fn click(inspector: &mut Inspector, at: (u16, u16)) {
    point(inspector, Does::Press, at);
}

/// The cell where a text begins, and the line.
fn find(inspector: &Inspector, text: &str) -> (u16, u16) {
    let screen = inspector.screen();
    let found = screen.lines().enumerate().find_map(|(line, words)| {
        let byte = words.find(text)?;
        Some((words[..byte].chars().count(), line))
    });
    let (column, line) = found.unwrap_or_else(|| panic!("no {text} in\n{screen}"));
    (u16::try_from(column).unwrap(), u16::try_from(line).unwrap())
}

#[test]
fn a_click_on_a_line_looks_at_it_whichever_list_it_is() {
    for size in [(40, 10), (80, 24), (120, 40), (200, 60)] {
        let mut inspector = Inspector::new(size.0, size.1);
        inspector.press("e k k");
        let line = find(&inspector, "  121 ");
        click(&mut inspector, (line.0 + 3, line.1));
        assert_eq!(inspector.focused(), FAILED, "{size:?}");
        let up = find(&inspector, "  118 ");
        click(&mut inspector, up);
        assert_eq!(inspector.focused(), 118, "{size:?}");
        // A heading is no line.
        let heading = find(&inspector, "offset");
        click(&mut inspector, heading);
        assert_eq!(inspector.focused(), 118, "{size:?}");
    }
    let mut inspector = Inspector::new(80, 24);
    inspector.press("6");
    let fifth = find(&inspector, "       4 ");
    click(&mut inspector, fifth);
    let epoch = inspector.desk.app.requests.focused().unwrap().epoch;
    assert_eq!(epoch, 4);
    inspector.press("5");
    let flushes = find(&inspector, "F flush");
    click(&mut inspector, flushes);
    assert_eq!(inspector.desk.app.tallying.line_term().as_deref(), Some("op == flush"));
}

#[test]
fn a_click_on_the_name_of_a_view_shows_it() {
    let mut inspector = Inspector::new(120, 24);
    for (view, ..) in View::ALL {
        let at = find(&inspector, &format!("{} {}", view.key(), view.short()));
        click(&mut inspector, at);
        assert_eq!(inspector.desk.app.view, view);
        let screen = inspector.screen();
        assert!(screen.contains(&format!("[{} ", view.key())), "{screen}");
    }
    let mut small = Inspector::new(40, 10);
    let at = find(&small, "] 2");
    click(&mut small, (at.0 + 2, at.1));
    assert_eq!(small.desk.app.view, View::Map);
}

#[test]
fn a_click_on_the_name_of_a_view_throws_nothing_away_that_is_being_written() {
    let mut inspector = Inspector::new(120, 24);
    let map = find(&inspector, "2 Map");
    for keys in ["a 'a note'", "f 'write'", "/ 'words'", ": 'end'", "> 'x.csv'"] {
        inspector.press(keys);
        let before = inspector.screen();
        click(&mut inspector, map);
        assert_eq!(inspector.screen(), before, "{keys}");
        assert!(inspector.desk.app.over.is_some(), "{keys}");
        inspector.press("esc");
    }
    inspector.press("enter");
    assert!(matches!(inspector.desk.app.over, Some(Over::Detail)));
    click(&mut inspector, map);
    assert_eq!(inspector.desk.app.view, View::Map);
}

#[test]
fn a_click_ends_what_keys_began_and_can_be_gone_back_from() {
    let mut inspector = Inspector::new(120, 24);
    let (map, line) = (find(&inspector, "2 Map"), find(&inspector, "  5 "));
    inspector.press("m");
    click(&mut inspector, line);
    assert!(inspector.desk.app.letter.is_none());
    inspector.press("j");
    assert_eq!((inspector.focused(), inspector.message()), (6, ""), "it is no mark");
    inspector.press("y");
    click(&mut inspector, line);
    assert!(inspector.desk.app.begun.is_empty());
    click(&mut inspector, map);
    assert_eq!(inspector.desk.app.view, View::Map);
    inspector.press("ctrl-o");
    assert_eq!((inspector.desk.app.view, inspector.focused()), (View::Requests, 5));
    inspector.press("ctrl-o");
    assert_eq!(
        inspector.message(),
        "there is nothing to go back to",
        "a click on a line is a step"
    );
}

#[test]
fn a_search_leads_nowhere_once_somebody_clicked_elsewhere() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("2");
    let lowest = find(&inspector, "      0 B");
    inspector.desk.app.press("e".parse().unwrap());
    inspector.desk.wish();
    click(&mut inspector, (60, lowest.1));
    assert_eq!(inspector.message(), "the search was cancelled, for the focus was moved");
    assert_ne!(inspector.focused(), FAILED);
}

#[test]
fn a_click_on_a_pane_gives_it_the_keys_and_what_is_clicked_there_is_looked_at() {
    let mut inspector = Inspector::new(200, 60);
    let writes = find(&inspector, "│  W         468");
    click(&mut inspector, (writes.0 + 4, writes.1));
    assert_eq!(inspector.desk.app.view, View::Stats);
    assert_eq!(inspector.desk.app.tallying.line_term().as_deref(), Some("op == write"));
    let pane = find(&inspector, "how many of each operation");
    click(&mut inspector, pane);
    assert_eq!(inspector.desk.app.view, View::Latency);
}

#[test]
fn a_click_and_a_drag_on_the_map_put_its_cursor_there() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("2");
    // The lowest line of cells, in the middle of the screen.
    let lowest = find(&inspector, "      0 B");
    for (does, column) in [(Does::Press, 45), (Does::Drag, 60)] {
        point(&mut inspector, does, (column, lowest.1));
        let app = &inspector.desk.app;
        let grid = app.map.grid(&app.whole().unwrap());
        assert_eq!(app.map.cursor(&grid), (usize::from(column) - 11, 0));
        let row = app.requests.focused().unwrap();
        assert!(grid.times_of(usize::from(column) - 11).contains(&row.time.0));
    }
    // Labels are no cells.
    let before = inspector.focused();
    click(&mut inspector, (3, lowest.1));
    assert_eq!(inspector.focused(), before);
}

#[test]
fn the_wheel_moves_in_the_pane_that_is_pointed_to_and_keys_stay_where_they_were() {
    let mut inspector = Inspector::new(200, 60);
    let list = find(&inspector, " 5 ");
    point(&mut inspector, Does::WheelDown, list);
    assert_eq!(inspector.focused(), 3);
    point(&mut inspector, Does::WheelUp, list);
    assert_eq!(inspector.focused(), 0);
    let sums = find(&inspector, "│  W         468");
    point(&mut inspector, Does::WheelDown, (sums.0 + 4, sums.1));
    assert_eq!(inspector.desk.app.tallying.line_term().as_deref(), Some("op == flush"));
    assert_eq!((inspector.focused(), inspector.desk.app.view), (0, View::Requests));
}

#[test]
fn in_the_help_a_click_picks_a_line_and_nothing_is_opened_or_closed() {
    let mut inspector = Inspector::new(100, 24);
    inspector.press("?");
    let at = find(&inspector, "previous-error");
    click(&mut inspector, at);
    let Some(Over::Help(help)) = &inspector.desk.app.over else { panic!() };
    let picked = help.picked(&inspector.desk.app.keymap);
    assert_eq!(picked, crate::keymap::named("previous-error").map(|binding| binding.action));
    point(&mut inspector, Does::WheelUp, at);
    let Some(Over::Help(help)) = &inspector.desk.app.over else { panic!() };
    assert_ne!(help.picked(&inspector.desk.app.keymap), picked);
}

#[test]
fn f2_leaves_the_mouse_to_the_terminal_and_takes_it_back() {
    let mut inspector = Inspector::new(80, 24);
    assert_eq!(inspector.press("f2"), Some(Effect::Mouse(false)));
    assert_eq!(inspector.message(), "the mouse is the terminal's");
    assert_eq!(inspector.press("f2"), Some(Effect::Mouse(true)));
    assert!(inspector.message().contains("with shift held"), "{}", inspector.message());
}

#[test]
fn wherever_somebody_points_nothing_breaks_and_nothing_is_opened() {
    for (width, height) in [(1, 1), (40, 10), (80, 24), (200, 60)] {
        let mut inspector = Inspector::new(width, height);
        for does in [Does::Press, Does::Drag, Does::WheelDown, Does::WheelUp] {
            for line in (0..height + 2).step_by(3) {
                for column in (0..width + 9).step_by(13) {
                    inspector.desk.app.pointed(Mouse { at: (column, line), does });
                }
                inspector.settle();
                assert!(inspector.desk.app.over.is_none());
            }
        }
        inspector.press("1 f 'write'");
        click(&mut inspector, (width / 2, height / 2));
        assert!(matches!(inspector.desk.app.over, Some(Over::Filter(_))));
    }
}
