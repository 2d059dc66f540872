//! What of a request is copied, as text. Actions in, effects out.
//!
//! Invariant: what was cut, or put elsewhere than asked, is said.

use blkreplay_core::event::Payload;
use blkreplay_core::rows::Row;

use super::{App, Effect};
use crate::action::Copied;
use crate::hander::{Handed, Taken};
use crate::outlet::Form;
use crate::{reproduced, words};

/// What goes through a terminal (OSC 52): many take no more than 100,000 bytes, which these become.
const OSC52_MAX: usize = 74_994;

/// Bytes of data that are copied.
const DATA_MAX: usize = 32 << 10;

/// Who gets what is copied.
#[derive(Debug, Default)]
pub struct Copying {
    /// A program with its arguments; none leaves it to the terminal.
    pub(crate) command: Vec<String>,
    /// Texts that were handed over, and not taken yet.
    handed: usize,
}

impl Copying {
    /// A text was handed over, and it is not known whether it was taken.
    pub(super) fn goes_on(&self) -> bool {
        self.handed > 0
    }
}

impl App {
    pub(super) fn copy(&mut self, what: Copied) -> Option<Effect> {
        if what == Copied::Filter {
            let text = self.filtering.text().to_owned();
            if text.is_empty() {
                self.say("there is no filter to copy");
                return None;
            }
            return Some(self.copied(text, None));
        }
        if self.is_raw || self.log.is_some() {
            return self.copy_event(what);
        }
        let row = self.requests.focused()?;
        let mut cut = None;
        let text = match what {
            Copied::Line => Ok(words::line(row)),
            Copied::QemuIo => {
                cut = reproduced::qemu_io_drops(row).map(|what| format!("{what}: "));
                reproduced::qemu_io(row)
            }
            Copied::Nbdsh => reproduced::nbdsh(row, self.data().map(|data| &data[..])),
            Copied::Iolog => reproduced::iolog(row, &self.device_name(row)),
            Copied::Json => self.json(row),
            Copied::Payload => self.payload(row).map(|(text, what)| {
                cut = what;
                text
            }),
            Copied::Command | Copied::Filter => {
                Ok(format!("blkreplay print {} -f 'id == {}'", self.word, row.id.0))
            }
        };
        match text {
            Ok(text) => Some(self.copied(text, cut)),
            Err(why) => {
                self.refuse(why);
                None
            }
        }
    }

    /// The line that `print --json` has.
    fn json(&self, row: &Row) -> Result<String, String> {
        let line = self.outlet.line(Form::Json, row);
        let line = String::from_utf8(line).map_err(|error| error.to_string())?;
        Ok(line.trim_end().to_owned())
    }

    /// Its data as digits, and what was cut of them.
    fn payload(&self, row: &Row) -> Result<(String, Option<String>), String> {
        let length = row.request.range.length;
        let zeroes;
        let data: &[u8] = match row.payload {
            Payload::Absent => return Err("this request has no data".to_owned()),
            Payload::Digest(_) => return Err("its data were not recorded".to_owned()),
            Payload::Zeroes => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                zeroes = vec![0; length.min(DATA_MAX)];
                &zeroes
            }
            Payload::Stored(..) => {
                self.data().ok_or("its data were not read yet; press it again")?
            }
        };
        let taken = &data[..data.len().min(DATA_MAX)];
        let is_cut = taken.len() as u64 != length;
        let cut = is_cut.then(|| {
            let (taken, all) = (words::count(taken.len() as u64), words::count(length));
            format!("the first {taken} of {all} bytes of data: ")
        });
        Ok((reproduced::hex(taken), cut))
    }

    /// What its device is called.
    pub(crate) fn device_name(&self, row: &Row) -> String {
        let device = self.header.devices.get(usize::from(row.device.0));
        device.map_or_else(|| format!("device-{}", row.device.0), |device| device.name.clone())
    }

    pub(super) fn copied(&mut self, text: String, cut: Option<String>) -> Effect {
        let (bytes, cut) = (words::count(text.len() as u64), cut.unwrap_or_default());
        if !self.copying.command.is_empty() {
            return self.hand(text, cut, String::new());
        }
        if text.len() > OSC52_MAX {
            self.say(format!("{cut}{bytes} bytes are too many for the clipboard of a terminal"));
            return Effect::Keep(text);
        }
        self.say(format!("{cut}copied {bytes} bytes to the clipboard of the terminal (OSC 52)"));
        Effect::Copy(text)
    }

    /// Has a text handed to the program that puts it where others can paste it.
    pub(super) fn hand(&mut self, text: String, before: String, behind: String) -> Effect {
        let handed = Handed { command: self.copying.command.clone(), text, before, behind };
        self.copying.handed += 1;
        self.say(format!("copying with {}", handed.program()));
        Effect::Hand(handed)
    }

    /// A program took a text, or did not.
    pub(crate) fn taken(&mut self, Taken { handed, failed }: Taken) {
        self.copying.handed = self.copying.handed.saturating_sub(1);
        let bytes = words::count(handed.text.len() as u64);
        let Handed { before, behind, .. } = &handed;
        let Some((why, kept)) = failed else {
            let program = handed.program();
            return self.say(format!("{before}copied {bytes} bytes with {program}{behind}"));
        };
        match kept {
            Ok(path) => {
                let path = path.display();
                self.refuse(format!("{why}; {before}{bytes} bytes are in {path}"));
            }
            Err(error) => {
                self.refuse(format!("{why}, and no file could be written: {error}"));
            }
        }
    }

    /// A text was put into a file instead of the clipboard, or why it could not be.
    pub(crate) fn kept(&mut self, kept: std::io::Result<std::path::PathBuf>) {
        let before = self.message.take().map(|message| message.text).unwrap_or_default();
        match kept {
            Ok(path) => self.say(format!("{before}; they are in {}", path.display())),
            Err(error) => self.refuse(format!("{before}, and no file could be written: {error}")),
        }
    }
}
