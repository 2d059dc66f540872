//! The list of commands with their keys: what is searched for in it, and which line is looked at.
//!
//! A map of keys and a text in, lines out. Invariant: without a text it lists every command, what matters to the view first.

use std::ops::Range;

use tui_input::{Input, InputRequest};

use super::window::Window;
use crate::action::{Action, Move, View};
use crate::keymap::{Bound, Keymap};

/// The list.
#[derive(Debug)]
pub struct Help {
    /// What is searched for.
    pub input: Input,
    view: View,
    at: usize,
    window: Window,
}

impl Help {
    /// The list, as it matters to a view.
    pub fn new(view: View) -> Help {
        Help { input: Input::default(), view, at: 0, window: Window::default() }
    }

    /// The commands that have all words of what is searched for in their keys, name or help.
    pub fn lines<'a>(&self, keymap: &'a Keymap) -> Vec<&'a Bound> {
        let text = self.input.value().to_lowercase();
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_meant = |bound: &&Bound| {
            let keys = bound.keys.join(" ");
            let said = format!("{keys} {} {}", bound.binding.name, bound.binding.help);
            let said = said.to_lowercase();
            words.iter().all(|word| said.contains(word))
        };
        let mut lines: Vec<&Bound> = keymap.lines().iter().filter(is_meant).collect();
        lines.sort_by_key(|bound| nearness(bound.binding.action, self.view));
        lines
    }

    /// The action of the line that is looked at.
    pub fn picked(&self, keymap: &Keymap) -> Option<Action> {
        let lines = self.lines(keymap);
        lines.get(self.at.min(lines.len().saturating_sub(1))).map(|bound| bound.binding.action)
    }

    /// Changes what is searched for.
    pub fn edit(&mut self, request: InputRequest) {
        self.input.handle(request);
        self.at = 0;
    }

    /// Goes elsewhere in the list.
    pub fn go(&mut self, way: Move, keymap: &Keymap) {
        self.at = self.window.to(self.at, way, self.lines(keymap).len());
    }

    /// Which of so many lines are on a screen of this height, and which is looked at.
    pub fn on_screen(&mut self, lines: usize, height: usize) -> (Range<usize>, usize) {
        self.at = self.at.min(lines.saturating_sub(1));
        (self.window.show(self.at, lines, height), self.at)
    }
}

/// How much an action has to do with a view: 0 is most.
fn nearness(action: Action, view: View) -> u8 {
    let of: &[View] = match action {
        Action::Chart(_) => &[View::Map],
        Action::Find(..) | Action::Copy(_) => &[View::Requests],
        Action::Column(_) => &[View::Requests, View::Map, View::Latency],
        Action::FindFinding(_) => &[View::Findings],
        Action::Diff(_) => &[View::Diff],
        Action::FilterBy(_) | Action::Open => return 0,
        _ => &[],
    };
    match of {
        [] => 1,
        of if of.contains(&view) => 0,
        _ => 2,
    }
}
