//! What of a request is copied, as text. Actions in, effects out.

use super::{App, Effect};
use crate::action::Copied;
use crate::words;

impl App {
    pub(super) fn copy(&mut self, what: Copied) -> Option<Effect> {
        let name = &self.word;
        if what == Copied::Filter {
            let text = self.filtering.text().to_owned();
            if text.is_empty() {
                self.say("there is no filter to copy");
                return None;
            }
            return Some(self.copied(text));
        }
        let row = self.requests.focused()?;
        let text = match what {
            Copied::Line => words::line(row),
            Copied::QemuIo => {
                let operation = row.request.operation;
                let Some(text) = words::qemu_io(row) else {
                    self.refuse(format!("qemu-io has no command for {operation}"));
                    return None;
                };
                text
            }
            Copied::Command | Copied::Filter => {
                format!("blkreplay print {name} -f 'id == {}'", row.id.0)
            }
        };
        Some(self.copied(text))
    }

    fn copied(&mut self, text: String) -> Effect {
        self.say(format!("copied {} bytes to the clipboard of the terminal (OSC 52)", text.len()));
        Effect::Copy(text)
    }
}
