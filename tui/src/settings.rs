//! How somebody wants the inspector: what a command line and a file say. Knows neither.

use crate::app::App;
use crate::journal::Journal;
use crate::keymap::Keymap;
use crate::look::Look;
use crate::state::coloring::{ColorRule, Coloring};
use crate::state::filter::Saved;

/// How somebody wants it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the screen looks.
    pub look: Look,
    /// Which key does what.
    pub keymap: Keymap,
    /// The mouse is ours.
    pub has_mouse: bool,
    /// Which requests have which colours in the list.
    pub colors: Vec<ColorRule>,
    /// Filters with names.
    pub filters: Vec<Saved>,
    /// The program that gets what is copied, and its arguments; none leaves that to the terminal.
    pub copy_command: Vec<String>,
    /// Where it is written what went wrong.
    pub journal: Journal,
    /// What of it cannot be done, and why.
    pub remark: Option<String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            look: Look::default(),
            keymap: Keymap::default(),
            has_mouse: true,
            colors: Vec::new(),
            filters: Vec::new(),
            copy_command: Vec::new(),
            journal: Journal::default(),
            remark: None,
        }
    }
}

impl App {
    /// Makes it as somebody wants it.
    pub fn settle_in(&mut self, settings: Settings) {
        let Settings { look, keymap, has_mouse, colors, filters, copy_command, remark, .. } =
            settings;
        self.copying.command = copy_command;
        (self.look, self.keymap, self.has_mouse) = (look, keymap, has_mouse);
        self.filtering.save(filters);
        let (coloring, wrong) = Coloring::of(&colors, &self.header);
        self.coloring = coloring;
        if let Some(wrong) = wrong.into_iter().next().or(remark) {
            self.refuse(wrong);
        }
    }
}
