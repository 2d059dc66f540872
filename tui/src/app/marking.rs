//! Marks are set, gone to, and shown alone. Letters and actions in, the focus or the filter changed.

use super::App;
use crate::action::Direction;
use crate::key::{Code, Key};
use crate::state::marks::Point;

/// What is done with the letter that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter {
    /// It marks the focused request.
    Sets,
    /// It says which mark to go to.
    Goes,
}

impl App {
    /// The focused request as a point; `None` before it is read.
    pub(super) fn point(&self) -> Option<Point> {
        let row = self.requests.focused()?;
        Some(Point { place: self.requests.focus(), id: row.id, time: row.time })
    }

    /// Waits for a letter.
    pub(super) fn ask_letter(&mut self, letter: Letter) {
        self.letter = Some(letter);
    }

    /// Takes the letter that was waited for.
    pub(super) fn take_letter(&mut self, does: Letter, key: Key) {
        let letter = match key.code {
            Code::Char(letter @ 'a'..='z') if !key.ctrl && !key.alt => letter,
            Code::Esc => return,
            _ => return self.refuse(format!("`{key}` is no mark; a mark is a letter from a to z")),
        };
        match does {
            Letter::Sets => self.set_mark(letter),
            Letter::Goes => match self.marks.get(letter) {
                Some(point) => self.go_to_mark(letter, point),
                None => self.refuse(format!("there is no mark {letter}; m {letter} sets it")),
            },
        }
    }

    fn set_mark(&mut self, letter: char) {
        let Some(point) = self.point() else {
            return self.say("there is no request here to mark");
        };
        if self.marks.toggle(letter, point) {
            self.say(format!("#{} is marked {letter}", point.id.0));
        } else {
            self.say(format!("#{} is no longer marked {letter}", point.id.0));
        }
    }

    pub(super) fn go_to_mark(&mut self, letter: char, point: Point) {
        self.requests.go(point.place);
        if self.requests.focus() != point.place {
            let id = point.id.0;
            self.say(if self.has_looked_at(point.place) {
                format!("{letter} is #{id}, which the filter leaves out; this is the nearest")
            } else {
                self.left_out(&format!("{letter}, #{id}"), point.place)
            });
        }
    }

    /// Goes to the next mark, or the one before.
    pub(super) fn find_mark(&mut self, direction: Direction) {
        let shown = self.filtering.applied.as_ref().map(|applied| &*applied.found);
        match self.marks.beside(self.requests.focus(), direction, shown) {
            Some((letter, point)) => {
                self.go_to_mark(letter, point);
                self.say(format!("mark {letter}"));
            }
            None if self.marks.all().next().is_none() => self.say("nothing is marked; m does"),
            None => {
                let which = if direction == Direction::Next { "behind" } else { "before" };
                self.say(format!("there is no mark {which} this request{}", self.so_far()));
            }
        }
    }

    /// Shows only what is marked; if it does, what was shown before.
    pub(super) fn show_marked(&mut self) {
        let mut ids: Vec<u64> = self.marks.all().map(|(_, point)| point.id.0).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return self.say("nothing is marked; m does");
        }
        let ids: Vec<String> = ids.iter().map(u64::to_string).collect();
        let text = format!("id in {{{}}}", ids.join(", "));
        let now = self.filtering.text().to_owned();
        let before = match self.before_marked.take() {
            Some((_, before)) if now == text => return self.filter(&before),
            None if now == text => return self.filter(""),
            // More was marked since.
            Some((marked, before)) if now == marked => before,
            _ => now,
        };
        self.before_marked = Some((text.clone(), before));
        self.filter(&text);
    }
}
