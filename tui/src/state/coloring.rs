//! Which requests have which colours in the list, by filters.
//!
//! Rules in, the colour of a request out. Invariant: a rule says nothing that its request alone does not, so that what is on the screen has
//! its colour at once.

use std::fmt;

use blkreplay_core::format::Header;
use blkreplay_core::query::{Filter, QueryError};
use blkreplay_core::rows::Row;

/// A colour that a rule gives, by the name of a role or of a colour of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is its name")]
pub enum Color {
    Red,
    Green,
    Yellow,
    Blue,
    Magenta,
    Cyan,
    Gray,
}

impl Color {
    /// All, by their names.
    pub const ALL: [(Color, &'static str); 7] = [
        (Color::Red, "red"),
        (Color::Green, "green"),
        (Color::Yellow, "yellow"),
        (Color::Blue, "blue"),
        (Color::Magenta, "magenta"),
        (Color::Cyan, "cyan"),
        (Color::Gray, "gray"),
    ];

    /// The one of this name.
    pub fn named(name: &str) -> Option<Color> {
        Color::ALL.iter().find(|(_, known)| *known == name).map(|(color, _)| *color)
    }
}

/// A filter, and the colour of the requests that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColorRule {
    /// The filter.
    pub filter: String,
    /// The colour.
    pub color: Color,
}

/// Why a filter makes no rule.
#[derive(Debug)]
pub enum WrongRule {
    /// It is no filter.
    Query(QueryError),
    /// It asks for more than the request itself.
    NotAlone,
}

impl fmt::Display for WrongRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WrongRule::Query(error) => f.write_str(&error.what),
            WrongRule::NotAlone => f.write_str(
                "a colour can ask for nothing but what the request itself says: no data, no sums, no other requests",
            ),
        }
    }
}

impl ColorRule {
    /// Whether a filter can give colours, in any trace.
    pub fn check(text: &str) -> Result<(), WrongRule> {
        let filter = Filter::anywhere(text).map_err(WrongRule::Query)?;
        if is_alone(&filter) { Ok(()) } else { Err(WrongRule::NotAlone) }
    }
}

fn is_alone(filter: &Filter) -> bool {
    let needs = filter.needs();
    !needs.first_pass && !needs.data && !needs.context
}

/// The rules, as they are understood in a trace.
#[derive(Debug, Default)]
pub struct Coloring {
    rules: Vec<(Filter, Color)>,
}

impl Coloring {
    /// The rules that mean something in the trace with this header, and why others do not.
    pub fn of(rules: &[ColorRule], header: &Header) -> (Coloring, Vec<String>) {
        let mut coloring = Coloring::default();
        let mut wrong = Vec::new();
        for rule in rules {
            let why = match Filter::of(&rule.filter, header) {
                Ok(filter) if is_alone(&filter) => {
                    coloring.rules.push((filter, rule.color));
                    continue;
                }
                Ok(_) => WrongRule::NotAlone,
                Err(error) => WrongRule::Query(error),
            };
            wrong.push(format!("colour of `{}`: {why}", rule.filter));
        }
        (coloring, wrong)
    }

    /// The colour that the first rule gives that means a request.
    pub fn color(&self, row: &Row) -> Option<Color> {
        self.rules.iter().find(|(filter, _)| filter.matches(row)).map(|(_, color)| *color)
    }
}
