//! Keys: those that are typed into a line, and those that do what they are bound to.
//!
//! Invariant: a key that does nothing in a line that is being written does what it is bound to.

use tui_input::InputRequest;

use super::{App, Effect, Over};
use crate::action::{Action, Move};
use crate::key::{Code, Key};
use crate::keymap::Meaning;

impl App {
    /// A key was pressed.
    pub fn press(&mut self, key: Key) -> Option<Effect> {
        self.as_one(|app| app.take_key(key))
    }

    /// A line was given, as behind `:`.
    pub fn obey_line(&mut self, text: &str) -> Option<Effect> {
        self.as_one(|app| app.run(text))
    }

    /// Does what a key or the mouse does, and what follows from where it led.
    pub(super) fn as_one<T>(&mut self, does: impl FnOnce(&mut App) -> T) -> T {
        self.message = None;
        let (before, jumps) = (self.station(), self.jumps);
        self.has_stepped = false;
        let done = does(self);
        self.want_diff();
        if self.requests.focus() != before.focus && self.jumps == jumps {
            self.leave_search();
        }
        if !self.has_stepped {
            self.left(before);
        }
        done
    }

    fn take_key(&mut self, key: Key) -> Option<Effect> {
        if let Some(letter) = self.letter.take() {
            self.take_letter(letter, key);
            return None;
        }
        let is_written = !matches!(self.over, None | Some(Over::Detail | Over::Bless));
        match key.code {
            // Whatever they are bound to, they end what is being written.
            Code::Enter if is_written => return self.update(Action::Open),
            Code::Esc if is_written => return self.update(Action::Cancel),
            _ => {}
        }
        if self.take_answer(key, edit(key)) {
            return None;
        }
        match &mut self.over {
            Some(Over::Place(prompt)) => {
                match (key.code, edit(key)) {
                    (Code::Tab, _) => self.complete_place(),
                    (Code::Up, _) => prompt.recall(true, &self.asked),
                    (Code::Down, _) => prompt.recall(false, &self.asked),
                    (_, Some(edit)) => prompt.edit(edit),
                    _ => return self.obey(key),
                }
                return None;
            }
            Some(Over::Search(prompt)) => {
                match (key.code, edit(key)) {
                    (Code::Up, _) => prompt.recall(true, &self.searching.history),
                    (Code::Down, _) => prompt.recall(false, &self.searching.history),
                    (_, Some(edit)) => prompt.edit(edit),
                    _ => return self.obey(key),
                }
                return None;
            }
            Some(Over::Filter(line)) => {
                match (key.code, edit(key)) {
                    (Code::Tab, _) => line.complete(&self.header),
                    (Code::Up, _) => line.recall(true, &self.filtering, &self.header),
                    (Code::Down, _) => line.recall(false, &self.filtering, &self.header),
                    (_, Some(edit)) => line.edit(edit, &self.header),
                    _ => return self.obey(key),
                }
                return None;
            }
            Some(Over::File(naming)) => {
                match (key.code, edit(key)) {
                    (Code::Tab, _) => naming.complete(),
                    (_, Some(edit)) => naming.edit(edit),
                    _ => return self.obey(key),
                }
                return None;
            }
            Some(Over::Help(help)) => {
                if let Some(way) = moved(key) {
                    help.go(way, &self.keymap);
                    return None;
                }
                let closes = key == Key::char('?') && help.input.value().is_empty();
                match edit(key) {
                    Some(edit) if !closes => help.edit(edit),
                    _ => return self.obey(key),
                }
                return None;
            }
            Some(Over::Note(..)) => return self.write_note(key),
            _ => {}
        }
        self.obey(key)
    }

    /// A key in a note.
    fn write_note(&mut self, key: Key) -> Option<Effect> {
        match (&self.over, edit(key)) {
            (Some(Over::Note(..)), Some(edit)) => self.edit_note(edit),
            _ => return self.obey(key),
        }
        None
    }

    /// Does what a key is bound to.
    fn obey(&mut self, key: Key) -> Option<Effect> {
        // Where columns are chosen, space does what enter does.
        if matches!(self.over, Some(Over::Columns)) && key == Key::char(' ') {
            self.toggle_column();
            return None;
        }
        match self.keymap.meaning(&self.begun, key) {
            Meaning::Action(action) => {
                self.begun.clear();
                self.update(action)
            }
            Meaning::Begun => {
                self.begun.push(key);
                None
            }
            Meaning::Nothing => {
                self.begun.clear();
                None
            }
        }
    }
}

/// How a key changes a line that is being written; `None` if it does not.
fn edit(key: Key) -> Option<InputRequest> {
    Some(match (key.code, key.ctrl) {
        (Code::Char(character), false) => InputRequest::InsertChar(character),
        (Code::Backspace, _) | (Code::Char('h'), true) => InputRequest::DeletePrevChar,
        (Code::Delete, _) => InputRequest::DeleteNextChar,
        (Code::Left, _) => InputRequest::GoToPrevChar,
        (Code::Right, _) => InputRequest::GoToNextChar,
        (Code::Home, _) | (Code::Char('a'), true) => InputRequest::GoToStart,
        (Code::End, _) | (Code::Char('e'), true) => InputRequest::GoToEnd,
        (Code::Char('w'), true) => InputRequest::DeletePrevWord,
        (Code::Char('u'), true) => InputRequest::DeleteLine,
        _ => return None,
    })
}

/// Where a key leads in a list below a line that is being written; `None` for others.
fn moved(key: Key) -> Option<Move> {
    Some(match key.code {
        Code::Up => Move::Up,
        Code::Down => Move::Down,
        Code::PageUp => Move::PageUp,
        Code::PageDown => Move::PageDown,
        _ => return None,
    })
}
