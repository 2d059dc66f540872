//! Differences from a base: going from one to the next, their bytes, rules that ignore them, and the base itself.
//!
//! Actions and what was told of both sides in, the focus changed, and what is to be asked or changed out. Invariants: the focus is at
//! the request of new that is looked at, where new has one; no file changes but by an answer to a question.

use blkreplay_core::diff::Compared;
use tui_input::InputRequest;

use super::{App, Over};
use crate::action::{Action, Diffing, Direction, Like, Move, View};
use crate::compare::{Change, Proposed, Told, Trouble};
use crate::key::{Code, Key};
use crate::state::diff::{Diff, Line, Stage};
use crate::state::prompt::Prompt;

/// What to say where a file is still being changed.
const CHANGES: &str = "the last change is still being made";

/// What to say where nothing is compared.
pub const HOW: &str = "nothing is compared; blkreplay inspect --diff BASE NEW does";

impl App {
    /// Compares with a base of this name; rules that ignore what differs go to a file of that name.
    pub fn compare_with(&mut self, base: String, rules_file: String) {
        self.diff = Some(Diff::with(base, rules_file));
        self.show(View::Diff);
    }

    /// Something was told of the comparison of this number.
    pub fn compared(&mut self, number: u64, told: Told) {
        let Some(diff) = &mut self.diff else { return };
        match told {
            Told::Ignored(done) => {
                let file = diff.rules_file.clone();
                self.change_made(done, &format!("{file} has the rule; compared anew"));
            }
            Told::Blessed(done) => {
                let base = diff.base.clone();
                self.change_made(done, &format!("{base} is what {} is; compared anew", self.name));
            }
            // A change is made whatever is compared by then; the rest is of one comparison.
            _ if diff.number != number => return,
            Told::Learned(_, learned) => {
                diff.learns = false;
                match learned {
                    Ok(Some(_)) if diff.changes => self.say(CHANGES),
                    Ok(Some(rules)) if self.over.is_none() && self.view == View::Diff => {
                        self.over = Some(Over::Rules(rules, Prompt::default()));
                    }
                    Ok(Some(_)) => {}
                    Ok(None) => self.say("no rule is proposed for it: epochs end with flushes"),
                    Err(trouble) => self.refuse(in_a_line(&trouble)),
                }
            }
            told => diff.take(told),
        }
        self.want_diff();
    }

    /// A change was made, or not.
    fn change_made(&mut self, done: Result<(), Trouble>, text: &str) {
        if let Some(diff) = &mut self.diff {
            diff.changes = false;
            if done.is_ok() {
                diff.begin();
            }
        }
        match done {
            Ok(()) => self.say(text),
            Err(trouble) => self.refuse(in_a_line(&trouble)),
        }
    }

    /// Lines up what the filter in force leaves.
    pub fn want_diff(&mut self) {
        let applied = self.filtering.applied.as_ref();
        if let Some(diff) = &mut self.diff {
            let number = applied.map_or(0, |applied| applied.number);
            diff.filter(number, applied.map(|applied| &*applied.found));
        }
    }

    /// Begins to compare, if that was not done, and looks at what is there where the focus is.
    pub(super) fn show_diff(&mut self) {
        let focus = self.requests.focus();
        let Some(diff) = &mut self.diff else { return };
        if matches!(diff.stage, Stage::Waits | Stage::Stopped | Stage::Failed) {
            if diff.changes {
                return self.say(CHANGES);
            }
            return diff.begin();
        }
        let new = diff.picked().map_or(&[][..], |line| diff.requests(line).1);
        if !new.iter().any(|one| one.place == focus) {
            diff.go_to(focus);
        }
    }

    /// Does what an action means in the diff; whether it means anything else there than elsewhere.
    pub(super) fn do_in_diff(&mut self, action: Action) -> bool {
        let is_shown = self.view == View::Diff && self.over.is_none();
        if let (Action::Diff(Diffing::Bless), false) = (action, is_shown) {
            self.update(Action::Move(Move::PageUp));
            return true;
        }
        if let (Action::Diff(_), false) = (action, is_shown) {
            self.say("that is about differences: 8 shows them");
            return true;
        }
        if !is_shown {
            return false;
        }
        let Some(diff) = &mut self.diff else {
            let is_own = matches!(action, Action::Diff(_) | Action::Search(_));
            if is_own {
                self.say(HOW);
            }
            return is_own || matches!(action, Action::Column(_));
        };
        match action {
            Action::Diff(what) => self.do_with_difference(what),
            Action::Search(direction) => self.step_difference(direction),
            Action::Column(way) => match (diff.picked(), way) {
                (Some(Line::Difference(_)), way) if diff.shows_bytes => diff.scroll(way),
                (Some(line), Direction::Previous) => {
                    if let Some(section) = diff.section(line) {
                        diff.fold(section);
                    }
                }
                (Some(line), Direction::Next) => {
                    if let Some(section) = diff.section(line) {
                        self.unfold(section);
                    }
                }
                (None, _) => {}
            },
            Action::Cancel | Action::Back if diff.shows_bytes => diff.shows_bytes = false,
            Action::Back if diff.changes => self.say("a file is being changed; Q quits at once"),
            Action::Cancel | Action::Back if self.searching.now.is_none() && diff.stop() => {
                self.say("no more is compared; 8 compares anew");
            }
            _ => return false,
        }
        true
    }

    fn do_with_difference(&mut self, what: Diffing) {
        let Some(diff) = &mut self.diff else { return };
        match what {
            Diffing::Bytes => {
                diff.shows_bytes = !diff.shows_bytes;
                diff.wonder();
            }
            Diffing::Ignore | Diffing::Bless if diff.changes => self.say(CHANGES),
            Diffing::Ignore => {
                if !diff.learn() {
                    self.say("this is no difference; n goes to the next one");
                }
            }
            Diffing::Bless => self.over = Some(Over::Bless),
        }
    }

    fn step_difference(&mut self, direction: Direction) {
        let Some(diff) = &mut self.diff else { return };
        if diff.step(direction) {
            return self.focus_on_new();
        }
        let so_far = if diff.goes_on() { " so far" } else { "" };
        self.say(match direction {
            Direction::Next => format!("there is no difference behind this{so_far}"),
            Direction::Previous => "there is no difference before this".to_owned(),
        });
    }

    pub(super) fn move_difference(&mut self, way: Move) {
        if let Some(diff) = &mut self.diff {
            diff.go_on(way);
            self.focus_on_new();
        }
    }

    /// Focuses the request of new that is looked at.
    fn focus_on_new(&mut self) {
        let Some(diff) = &self.diff else { return };
        let Some(line) = diff.picked() else { return };
        if let Some(one) = diff.requests(line).1.first() {
            let place = one.place;
            self.requests.go(place);
        }
    }

    /// Says that what is looked at is not in the list, if only base has it.
    pub(super) fn say_what_base_has(&mut self) {
        let Some(diff) = self.diff.as_ref().filter(|_| self.view == View::Diff) else { return };
        let Some(line) = diff.picked() else { return };
        if let ([one, ..], []) = diff.requests(line) {
            let id = one.id;
            self.say(format!("only base has {id}: no request of this trace is like it"));
        }
    }

    /// Unfolds what is the same, shows the bytes of what differs, or the request.
    pub(super) fn open_difference(&mut self) {
        let Some(diff) = &mut self.diff else { return self.say(HOW) };
        match diff.picked() {
            Some(Line::Epoch(section)) if diff.fold(section) => {}
            Some(Line::Epoch(section) | Line::Fold(section)) => self.unfold(section),
            Some(Line::Difference(_)) => {
                diff.shows_bytes = true;
                diff.wonder();
            }
            Some(Line::Row(..)) => {
                self.focus_on_new();
                self.show(View::Requests);
            }
            Some(Line::Rest) => self.say("these were only counted; a filter or rules make it less"),
            None => {}
        }
    }

    fn unfold(&mut self, section: usize) {
        let is_done = self.diff.as_mut().is_none_or(|diff| diff.unfold(section));
        if !is_done {
            self.say("no more rows are kept; view 1 has all of them");
        }
    }

    /// Shows only what touches the range of the request that is looked at, or leaves it out.
    pub(super) fn filter_by_difference(&mut self, like: Like) {
        let Some(diff) = &self.diff else { return self.say(HOW) };
        let (base, new) = diff.picked().map_or((&[][..], &[][..]), |line| diff.requests(line));
        let ranged = |one: &&Compared| one.request.range.length > 0;
        let Some(one) = new.iter().chain(base).find(ranged) else {
            return self.say("this line has no range to filter by");
        };
        let range = one.request.range;
        let term = format!("off overlaps {}..{}", range.offset, range.end());
        let term = match like {
            Like::This => term,
            Like::Others => format!("!({term})"),
        };
        self.filter(&self.filtering.with(&term));
    }

    /// Adds rules to the file, for a reason.
    pub(super) fn ignore(&mut self, rules: Box<Proposed>, reason: &str) {
        self.make(Change::Ignore(rules, reason.trim().to_owned()));
    }

    fn make(&mut self, change: Change) {
        let is_made = self.diff.as_mut().is_none_or(|diff| diff.make(change));
        if !is_made {
            self.say(CHANGES);
        }
    }

    /// Takes a key as an answer to a question about the comparison; whether there is such a question.
    pub(super) fn take_answer(&mut self, key: Key, edit: Option<InputRequest>) -> bool {
        match &mut self.over {
            Some(Over::Bless) => {
                self.answer_bless(key);
                // Who wants to end is not held up.
                !key.ctrl
            }
            Some(Over::Rules(_, prompt)) => {
                let Some(edit) = edit else { return false };
                prompt.edit(edit);
                true
            }
            _ => false,
        }
    }

    /// Answers whether the trace is to be the base.
    fn answer_bless(&mut self, key: Key) {
        let yes = matches!(key.code, Code::Char('y' | 'Y')) && !key.ctrl && !key.alt;
        if yes {
            self.over = None;
            self.make(Change::Bless);
        } else {
            self.refuse_bless();
        }
    }

    /// Answers that it is not to be the base; whether that was asked.
    pub(super) fn refuse_bless(&mut self) -> bool {
        let is_asked = self.over.take_if(|over| matches!(over, Over::Bless)).is_some();
        if is_asked {
            self.say("nothing was changed");
        }
        is_asked
    }
}

/// What is wrong and what to try, in a line.
fn in_a_line(trouble: &Trouble) -> String {
    let mut parts = vec![trouble.message.clone()];
    parts.extend(trouble.hints.iter().map(|hint| format!("hint: {hint}")));
    parts.join("; ")
}
