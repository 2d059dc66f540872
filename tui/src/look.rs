//! How the screen looks: which colours, and which signs.
//!
//! Views draw with the sixteen colours of a terminal, which stand for roles, and with the signs of Unicode. What they drew comes in, and what
//! the terminal gets goes out. Knows nothing of what is drawn. Invariants: nothing moves; under [`Glyphs::Ascii`] every cell is ASCII; under
//! [`Theme::Mono`] none has a colour.

mod ascii;
mod theme;

use std::fmt;

use blkreplay_core::request::Operation;
use ratatui::buffer::Buffer;
use ratatui::style::Color;

pub use theme::Theme;

use crate::state::coloring;

/// Shades of a map, from nothing to the most.
pub const SHADES: u8 = 10;

/// How the screen looks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// Which colours.
    pub theme: Theme,
    /// Which signs.
    pub glyphs: Glyphs,
    /// Why signs are others than those of Unicode, where nobody asked for that.
    pub reason: Option<String>,
    /// The terminal takes any colour; others get the nearest of 256.
    pub is_true_color: bool,
}

/// Which signs are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Glyphs {
    /// Those of Unicode.
    #[default]
    Unicode,
    /// Those of ASCII.
    Ascii,
}

/// What the environment says of the terminal.
#[derive(Debug, Clone, Default)]
pub struct Terminal {
    /// `LC_ALL`, `LC_CTYPE`, and `LANG`, as far as they are set to something.
    pub locale: Vec<(&'static str, String)>,
    /// `TERM`.
    pub term: Option<String>,
    /// `COLORTERM`.
    pub color: Option<String>,
}

impl Terminal {
    /// What variables say that `variable` gives.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Terminal {
        let set = |name: &str| variable(name).filter(|text| !text.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"];
        let locale = locale.into_iter().filter_map(|name| Some((name, set(name)?))).collect();
        Terminal { locale, term: set("TERM"), color: set("COLORTERM") }
    }

    /// Why it shows no more than ASCII; `None` if it shows more.
    fn shows_only_ascii(&self) -> Option<String> {
        if self.term.as_deref() == Some("linux") {
            return Some("TERM=linux".to_owned());
        }
        // The first that is set is the one that counts.
        let Some((name, value)) = self.locale.first() else {
            return Some("LANG is not set".to_owned());
        };
        let value = value.to_ascii_lowercase();
        let is_unicode = value.contains("utf-8") || value.contains("utf8");
        (!is_unicode).then(|| format!("{name}={}", self.locale[0].1))
    }
}

impl Look {
    /// With this theme on this terminal. `glyphs` are what somebody asked for; `None` looks at the terminal.
    pub fn new(theme: Theme, glyphs: Option<Glyphs>, terminal: &Terminal) -> Look {
        let reason = if glyphs.is_none() { terminal.shows_only_ascii() } else { None };
        let fallback = if reason.is_some() { Glyphs::Ascii } else { Glyphs::Unicode };
        let color = terminal.color.as_deref();
        Look {
            theme,
            glyphs: glyphs.unwrap_or(fallback),
            reason,
            is_true_color: matches!(color, Some("truecolor" | "24bit")),
        }
    }

    /// Without any colour.
    #[must_use]
    pub fn without_color(self) -> Look {
        Look { theme: Theme::Mono, ..self }
    }

    /// Why there are no signs but those of ASCII, for the person; `None` where there are, or where they were asked for.
    pub fn notice(&self) -> Option<String> {
        self.reason.as_ref().map(|reason| format!("ascii: {reason}"))
    }

    /// Turns what was drawn into what the terminal gets.
    pub fn paint(&self, buffer: &mut Buffer) {
        let palette = self.theme.palette();
        for cell in &mut buffer.content {
            let (front, back) = palette.colors(cell.fg, cell.bg);
            (cell.fg, cell.bg) = (self.shown(front), self.shown(back));
            if self.glyphs == Glyphs::Ascii && !cell.symbol().is_ascii() {
                let sign = ascii::sign(cell.symbol());
                cell.set_char(sign.unwrap_or(ascii::UNKNOWN));
            }
        }
    }

    fn shown(&self, color: Color) -> Color {
        match color {
            Color::Rgb(red, green, blue) if !self.is_true_color => {
                Color::Indexed(theme::nearest([red, green, blue]))
            }
            color => color,
        }
    }
}

impl fmt::Display for Glyphs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Glyphs::Unicode => "unicode",
            Glyphs::Ascii => "ascii",
        })
    }
}

/// The colour that stands for an operation, whose letter says the same.
pub(crate) fn operation(operation: Operation) -> Color {
    match operation {
        Operation::Read => Color::Blue,
        Operation::Write | Operation::WriteZeroes => Color::Yellow,
        Operation::Flush => Color::Magenta,
        Operation::Discard => Color::DarkGray,
        Operation::BlockStatus | Operation::Cache => Color::Cyan,
    }
}

/// The colour that a rule gives.
pub(crate) fn named(color: coloring::Color) -> Color {
    match color {
        coloring::Color::Red => Color::Red,
        coloring::Color::Green => Color::Green,
        coloring::Color::Yellow => Color::Yellow,
        coloring::Color::Blue => Color::Blue,
        coloring::Color::Magenta => Color::Magenta,
        coloring::Color::Cyan => Color::Cyan,
        coloring::Color::Gray => Color::DarkGray,
    }
}

/// The colour that stands for a shade, of [`SHADES`]; its sign says the same. A theme without shades shows the sign alone.
pub(crate) fn shade(step: u8) -> Color {
    Color::Indexed(step.min(SHADES - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terminal(variables: &[(&str, &str)]) -> Terminal {
        Terminal::of(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn signs_are_those_that_the_terminal_shows_and_the_reason_is_said() {
        for (variables, notice) in [
            (&[("LANG", "C.UTF-8")][..], None),
            (&[("LANG", "de_DE.utf8")], None),
            (&[("LC_ALL", ""), ("LC_CTYPE", "en_US.UTF-8"), ("LANG", "C")], None),
            (&[("LANG", "C")], Some("ascii: LANG=C")),
            (&[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")], Some("ascii: LC_ALL=POSIX")),
            (&[], Some("ascii: LANG is not set")),
            (&[("LANG", "C.UTF-8"), ("TERM", "linux")], Some("ascii: TERM=linux")),
        ] {
            let look = Look::new(Theme::default(), None, &terminal(variables));
            assert_eq!(look.notice().as_deref(), notice, "{variables:?}");
            let is_ascii = look.glyphs == Glyphs::Ascii;
            assert_eq!(is_ascii, notice.is_some(), "{variables:?}");
        }
        let asked = Look::new(Theme::default(), Some(Glyphs::Unicode), &terminal(&[]));
        assert_eq!((asked.glyphs, asked.notice()), (Glyphs::Unicode, None));
        let asked = Look::new(Theme::default(), Some(Glyphs::Ascii), &terminal(&[]));
        assert_eq!((asked.glyphs, asked.notice()), (Glyphs::Ascii, None));
    }

    #[test]
    fn where_a_terminal_takes_any_colour_it_gets_those_of_the_theme_and_else_the_nearest() {
        let drawn = |color: &str| {
            let look = Look::new(Theme::Cvd, None, &terminal(&[("COLORTERM", color)]));
            let mut buffer = Buffer::with_lines(["x"]);
            buffer.content[0].set_fg(Color::Red);
            look.paint(&mut buffer);
            buffer.content[0].fg
        };
        assert_eq!(drawn("truecolor"), Color::Rgb(0xd5, 0x5e, 0x00));
        assert_eq!(drawn(""), Color::Indexed(166));
    }
}
