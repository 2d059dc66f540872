//! Lines that many views have: the rule with a title above a part of the screen, and a line of a list.
//!
//! Texts and a width in, lines out. Invariant: no line is wider than it may be, and the one that is looked at is told by a mark, not by
//! its style alone.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

/// What stands behind a line of which something is wrong.
const WRONG: &str = " !";

/// A rule as wide as this, with its title at the left.
pub(super) fn rule(title: &str, width: usize) -> String {
    let title = format!("── {title} ");
    let rest = width.saturating_sub(title.chars().count());
    format!("{title}{}", "─".repeat(rest))
}

/// The rule above what is told in full.
pub(super) fn bold_rule(title: &str, width: usize) -> Line<'static> {
    Line::styled(rule(title, width), Style::new().add_modifier(Modifier::BOLD))
}

/// The mark of the line that is looked at.
pub(super) const FOCUS: char = '>';

/// A line of a list, with a mark and reversed if it is looked at.
pub(super) fn item(text: &str, is_focused: bool, style: Style, width: usize) -> Line<'static> {
    marked(text, if is_focused { FOCUS } else { ' ' }, style, width)
}

/// A line of a list with this mark.
pub(super) fn marked(text: &str, mark: char, style: Style, width: usize) -> Line<'static> {
    let style = if mark == FOCUS { style.add_modifier(Modifier::REVERSED) } else { style };
    let text: String = std::iter::once(mark).chain(text.chars()).take(width).collect();
    Line::styled(format!("{text:<width$}"), style)
}

/// The same of what may be wrong; that is told by a sign, which stays where the text is cut.
pub(super) fn item_of(text: &str, is_focused: bool, is_wrong: bool, width: usize) -> Line<'static> {
    if !is_wrong {
        return item(text, is_focused, Style::new(), width);
    }
    let room = width.saturating_sub(1 + WRONG.len());
    let text: String = text.chars().take(room).chain(WRONG.chars()).collect();
    item(&text, is_focused, Style::new().fg(Color::Red), width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_fills_its_width_behind_its_title() {
        assert_eq!(rule("event 4 issue", 20), "── event 4 issue ───");
        assert_eq!(rule("event 4 issue", 4), "── event 4 issue ");
    }

    #[test]
    fn a_line_is_as_wide_as_its_list_and_its_sign_is_not_cut() {
        let text = |line: Line<'_>| line.to_string();
        for width in [3, 8, 30] {
            for (is_focused, is_wrong) in [(true, true), (true, false), (false, true)] {
                let line = text(item_of("1234567 abcdef", is_focused, is_wrong, width));
                assert_eq!(line.chars().count(), width);
                assert_eq!(line.starts_with('>'), is_focused);
                assert_eq!(line.trim_end().ends_with(" !"), is_wrong);
            }
        }
        assert_eq!(text(item_of("1234567 abcdef", true, true, 8)), ">12345 !");
    }
}
