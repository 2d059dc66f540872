//! Notes on requests, where one left off, and how a request is replayed from. Actions in, texts and effects out.

use std::path::Path;

use blkreplay_core::request::RequestId;
use tui_input::InputRequest;

use super::{App, Effect, Over};
use crate::action::View;
use crate::notebook::{NOTE_LENGTH, Session};
use crate::opened::Begin;
use crate::state::prompt::Prompt;
use crate::state::target::{PLACES, target};
use crate::words;

impl App {
    /// Begins to write a note on the focused request.
    pub(super) fn ask_note(&mut self) {
        let Some(row) = self.requests.focused() else {
            return self.say("there is no request here to write a note on");
        };
        let text = self.notes.get(&row.id.0).cloned().unwrap_or_default();
        self.over = Some(Over::Note(row.id, Prompt::with(text)));
    }

    /// Changes a note that is being written, which has no more than `NOTE_LENGTH` characters.
    pub(super) fn edit_note(&mut self, edit: InputRequest) {
        let Some(Over::Note(_, prompt)) = &mut self.over else { return };
        let is_full = prompt.text().chars().count() >= NOTE_LENGTH;
        if is_full && matches!(edit, InputRequest::InsertChar(_)) {
            return self.refuse(too_long(NOTE_LENGTH));
        }
        prompt.edit(edit);
    }

    /// Has a note that was written kept.
    pub(super) fn note(&mut self, id: RequestId, text: &str) -> Option<Effect> {
        let kept = self.notes.get(&id.0).map_or("", String::as_str);
        if text == kept || text.trim() == kept {
            return None;
        }
        let text = text.trim();
        let length = text.chars().count();
        if length > NOTE_LENGTH {
            // It was longer in its file.
            self.over = Some(Over::Note(id, Prompt::with(text.to_owned())));
            self.refuse(too_long(length));
            return None;
        }
        Some(Effect::Note(id, text.to_owned()))
    }

    /// A note was kept in a file, or could not be: then it is there to be written on.
    pub(crate) fn noted(&mut self, id: RequestId, text: String, kept: Result<&Path, String>) {
        match kept {
            Ok(path) if text.is_empty() => {
                self.notes.remove(&id.0);
                self.say(format!("the note on {id} is gone from {}", path.display()));
            }
            Ok(path) => {
                self.notes.insert(id.0, text);
                self.say(format!("the note on {id} is in {}", path.display()));
            }
            Err(why) => {
                self.over = Some(Over::Note(id, Prompt::with(text)));
                self.refuse(why);
            }
        }
    }

    /// Begins as somebody wants it; goes to a place once it is known where requests lie.
    pub(crate) fn begin(&mut self, begin: &Begin) {
        if let Some(text) = &begin.filter {
            self.filter(text);
        }
        if let Some(view) = begin.view {
            self.show(view);
        }
        self.place.clone_from(&begin.at);
    }

    /// Goes to the place that it was to begin at.
    pub(super) fn begin_at(&mut self) {
        if let Some(text) = self.place.take() {
            match target(&text) {
                Ok(Some(target)) => self.go_to(target),
                Ok(None) => self.refuse(format!("`{text}` is no place; places: {PLACES}")),
                Err(why) => self.refuse(why),
            }
        }
    }

    /// Goes on where one left off.
    pub(crate) fn go_on_in(&mut self, session: &Session) {
        let view = session.view.as_ref().and_then(|name| View::named(name));
        let at = session.request.map(|id| format!("#{id}"));
        self.begin(&Begin { filter: session.filter.clone(), view, at });
        let filter =
            session.filter.as_ref().map_or(String::new(), |text| format!(", filter {text}"));
        if self.message.is_none() {
            self.say(format!("as you left it{filter}; --no-session begins anew"));
        }
    }

    /// Where one leaves off.
    pub(crate) fn session(&self) -> Session {
        // A filter that still finds more may not have come to where somebody was.
        let is_settled = self.filtering.applied.as_ref().is_none_or(|applied| applied.is_done);
        let at = if is_settled { self.requests.focus() } else { self.requests.anchor() };
        let known = self.requests.id_at(at).filter(|_| at != 0).map(|id| id.0);
        // It was not gone there yet.
        let asked = self.place.as_deref().and_then(|place| place.strip_prefix('#')?.parse().ok());
        // What it is compared with may be another next time, or nothing.
        let is_kept = ![View::default(), View::Diff].contains(&self.view);
        let name = self.view.name().to_lowercase();
        let filter = self.filtering.text();
        Session {
            filter: (!filter.is_empty()).then(|| filter.to_owned()),
            view: is_kept.then_some(name),
            request: asked.or(known),
        }
    }

    /// Copies commands that replay from the focused request on.
    pub(super) fn replay(&mut self) -> Option<Effect> {
        let id = self.requests.focused()?.id;
        let (trace, images) =
            (&self.word, vec!["IMAGE"; self.header.devices.len().max(1)].join(" "));
        let text = if self.requests.focus() == 0 {
            format!("blkreplay replay {trace} {images}")
        } else {
            format!(
                "blkreplay replay {trace} {images} --write --until '{id}' && \\\n\
                 blkreplay slice {trace} --from '{id}' -o from-here.blkr && \\\n\
                 blkreplay replay from-here.blkr {images} --any-image"
            )
        };
        let how = format!(
            "replay up to {id} brings IMAGE there, a slice from {id} on is replayed then; put your image for IMAGE"
        );
        if !self.copying.command.is_empty() {
            return Some(self.hand(text, String::new(), format!(": {how}")));
        }
        self.say(format!("copied: {how}"));
        Some(Effect::Copy(text))
    }
}

/// What to say of a note that has so many characters, or is to have more.
fn too_long(length: usize) -> String {
    let count = |number: usize| words::count(number as u64);
    let most = count(NOTE_LENGTH);
    format!("a note has no more than {most} characters, and this has {}", count(length))
}
