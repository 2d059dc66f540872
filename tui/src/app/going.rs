//! Going to a place that was written. A text in, the focus changed, or why not.

use blkreplay_core::position::Position;
use blkreplay_core::request::RequestId;

use super::App;

impl App {
    /// Goes to a place that was written.
    pub(super) fn go(&mut self, text: &str) {
        let number = text.strip_prefix('#').unwrap_or(text);
        if let Ok(id) = number.parse() {
            self.sought = Some(RequestId(id));
            self.arrive();
            return;
        }
        match text.parse::<Position>() {
            Ok(Position::End) => self.requests.go(u64::MAX),
            Ok(Position::Time(time)) => self.requests.go(self.requests.place_at(time)),
            Ok(other) => self.refuse(format!("cannot go to {other}; #123, 1.5s and end work here")),
            Err(_) => self.refuse(format!("`{text}` is no place; #123, 1.5s and end are")),
        }
    }

    /// Goes to the request that is sought, once more is known of where it is.
    pub(super) fn arrive(&mut self) {
        let Some(RequestId(id)) = self.sought else { return };
        let Some(place) = self.requests.place_of(RequestId(id)) else {
            self.sought = None;
            return self.refuse(format!("there is no request #{id}"));
        };
        self.requests.go(place);
        if self.requests.row(place).is_some_and(|row| row.id.0 == id) {
            self.sought = None;
        }
        if self.requests.focus() != place {
            self.sought = None;
            self.say(format!("#{id} is left out by the filter; this is the nearest that is not"));
        }
    }
}
