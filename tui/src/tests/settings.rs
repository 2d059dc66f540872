//! How somebody wants it: colours by filters, and filters with names.

use blkreplay_fixtures::story::{FAILED, REQUESTS};
use ratatui::style::{Color, Modifier};

use super::Inspector;
use crate::app::Over;
use crate::settings::Settings;
use crate::state::coloring::{self, ColorRule};
use crate::state::filter::Saved;

fn rule(filter: &str, color: coloring::Color) -> ColorRule {
    ColorRule { filter: filter.to_owned(), color }
}

fn saved(name: &str, text: &str) -> Saved {
    Saved { name: name.to_owned(), text: text.to_owned() }
}

fn inspector(settings: Settings) -> Inspector {
    let mut inspector = Inspector::new(80, 24);
    inspector.desk.app.settle_in(settings);
    inspector.settle();
    inspector
}

#[test]
fn requests_have_the_colour_of_the_first_rule_that_means_them() {
    let colors = vec![
        rule("lat > 5ms", coloring::Color::Cyan),
        rule("op == write", coloring::Color::Green),
        rule("err == EIO", coloring::Color::Red),
    ];
    let mut inspector = inspector(Settings { colors, ..Settings::default() });
    inspector.press(&format!(": '{}' enter", FAILED - 4));
    let cell = |inspector: &Inspector, id: u64| {
        let screen = inspector.screen();
        let line = screen.lines().position(|line| line.contains(&format!("  {id} "))).unwrap();
        let cell = &inspector.buffer()[(5, u16::try_from(line).unwrap())];
        (cell.fg, cell.modifier.contains(Modifier::BOLD))
    };
    inspector.press("down down down down down");
    assert_eq!(cell(&inspector, FAILED), (Color::Cyan, true));
    assert_eq!(cell(&inspector, FAILED - 1), (Color::Green, true));
    assert_eq!(cell(&inspector, FAILED - 2), (Color::Reset, false), "a flush");
}

#[test]
fn a_rule_that_means_nothing_in_this_trace_is_told_and_others_hold() {
    let colors =
        vec![rule("dev == swap", coloring::Color::Red), rule("flush", coloring::Color::Blue)];
    let inspector = inspector(Settings { colors, ..Settings::default() });
    let message = inspector.message();
    assert!(message.starts_with("colour of `dev == swap`: "), "{message}");
    let flush = inspector.desk.app.requests.row(9).unwrap();
    assert_eq!(inspector.desk.app.coloring.color(flush), Some(coloring::Color::Blue));
}

#[test]
fn a_colour_asks_for_nothing_but_the_request_itself() {
    for text in ["lat > 5ms", "write && off % 4k != 0", "dev == anything"] {
        assert!(ColorRule::check(text).is_ok(), "{text}");
    }
    for (text, what) in [
        ("lat > p99(lat)", "a colour can ask for nothing"),
        ("payload[0:2] == 79:79", "a colour can ask for nothing"),
        ("lenght > 4k", "unknown field"),
    ] {
        let wrong = ColorRule::check(text).unwrap_err().to_string();
        assert!(wrong.contains(what), "{text}: {wrong}");
    }
}

#[test]
fn filters_with_names_are_completed_meant_and_remembered() {
    let filters = vec![saved("slow", "lat > 5ms"), saved("flushes", "op == flush")];
    let mut inspector = inspector(Settings { filters, ..Settings::default() });
    inspector.press("f");
    assert!(inspector.screen().contains("tab: slow flushes"), "{}", inspector.screen());
    inspector.press("'slo' tab");
    let text = |inspector: &Inspector| {
        let Some(Over::Filter(line)) = &inspector.desk.app.over else { panic!() };
        line.text().to_owned()
    };
    assert_eq!(text(&inspector), "slow");
    inspector.press("tab");
    assert_eq!(text(&inspector), "lat > 5ms");
    inspector.press("esc f 'flushes' enter");
    assert_eq!(inspector.desk.app.filtering.text(), "op == flush");
    assert_eq!(inspector.shown(), REQUESTS / 10);
    inspector.press(": 'filter slow' enter");
    assert_eq!((inspector.shown(), inspector.focused()), (1, FAILED));
    let mut anew = self::inspector(Settings {
        filters: vec![saved("slow", "lat > 5ms"), saved("flushes", "op == flush")],
        ..Settings::default()
    });
    anew.press("f up");
    assert_eq!(text(&anew), "lat > 5ms");
    anew.press("up");
    assert_eq!(text(&anew), "op == flush");
}
