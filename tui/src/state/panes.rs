//! Which panes are beside each other: one view, the list with the detail, or all at once where the screen is large.
//!
//! The size of the screen and what somebody wants in, an arrangement out. Invariant: the view that keys go to is among those that are shown.

use crate::action::{Direction, View};

/// What somebody wants to see at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// As much as there is room for.
    #[default]
    Auto,
    /// The list without the detail.
    List,
    /// The list and the detail.
    Detail,
    /// All panes, if there is any room for them.
    All,
}

impl Layout {
    /// All, in the order in which they come, with their names.
    pub const ALL: [(Layout, &'static str); 4] = [
        (Layout::Auto, "as much as there is room for"),
        (Layout::List, "the list alone"),
        (Layout::Detail, "the list and the request"),
        (Layout::All, "all panes"),
    ];
}

/// What is beside what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// One view; the list without the detail.
    Alone,
    /// One view; the list with the detail, if there is room for it.
    WithDetail,
    /// List and detail, and below them [`BELOW`].
    All,
}

/// Views below the list where all panes are shown.
pub const BELOW: [View; 3] = [View::Map, View::Latency, View::Stats];

/// The views of all panes.
const PANES: [View; 4] = [View::Requests, View::Map, View::Latency, View::Stats];

/// The smallest screen that shows all panes by itself.
const ROOM: (u16, u16) = (180, 45);

/// The smallest screen that shows them if somebody wants it.
const LEAST: (u16, u16) = (120, 36);

/// The panes.
#[derive(Debug, Default)]
pub struct Panes {
    /// What somebody wants.
    pub layout: Layout,
    /// The one that keys go to has all the room.
    pub is_maximised: bool,
    size: (u16, u16),
}

impl Panes {
    /// The screen has so many columns and lines.
    pub fn set_size(&mut self, columns: u16, lines: u16) {
        self.size = (columns, lines);
    }

    /// What is beside what, where keys go to this view.
    pub fn arrangement(&self, view: View) -> Arrangement {
        let holds = |(columns, lines)| self.size.0 >= columns && self.size.1 >= lines;
        let has_all = PANES.contains(&view)
            && match self.layout {
                Layout::Auto => holds(ROOM),
                Layout::All => holds(LEAST),
                Layout::List | Layout::Detail => false,
            };
        match self.layout {
            _ if self.is_maximised => Arrangement::Alone,
            _ if has_all => Arrangement::All,
            Layout::List => Arrangement::Alone,
            _ => Arrangement::WithDetail,
        }
    }

    /// The views on the screen.
    pub fn shown(&self, view: View) -> Vec<View> {
        match self.arrangement(view) {
            Arrangement::All => PANES.to_vec(),
            Arrangement::Alone | Arrangement::WithDetail => vec![view],
        }
    }

    /// The view that keys go to next: of the pane beside, or the next of all views where there is one pane.
    pub fn beside(&self, view: View, direction: Direction) -> View {
        let shown = self.shown(view);
        let among = if shown.len() > 1 { shown } else { View::ALL.map(|(view, ..)| view).to_vec() };
        let at = among.iter().position(|other| *other == view).unwrap_or(0);
        let to = match direction {
            Direction::Next => at + 1,
            Direction::Previous => at + among.len() - 1,
        };
        among[to % among.len()]
    }

    /// Takes the next layout, and says what that is.
    pub fn next_layout(&mut self) -> &'static str {
        let at = Layout::ALL.iter().position(|(layout, _)| *layout == self.layout).unwrap_or(0);
        let (layout, name) = Layout::ALL[(at + 1) % Layout::ALL.len()];
        (self.layout, self.is_maximised) = (layout, false);
        name
    }

    /// Whether there is room for all panes.
    pub fn has_room(&self) -> bool {
        self.size.0 >= LEAST.0 && self.size.1 >= LEAST.1
    }
}
