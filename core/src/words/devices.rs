//! Names that a trace carries, fit for a terminal. Names come in, text goes out.
//!
//! Invariant: no byte of a name steers a terminal.

use std::borrow::Cow;

use crate::format::Header;
use crate::request::DeviceId;

/// The names of a trace's devices.
#[derive(Debug)]
pub struct Devices {
    names: Vec<String>,
}

impl Devices {
    /// The devices that a trace's header lists.
    pub fn of(header: &Header) -> Devices {
        Devices { names: header.devices.iter().map(|device| device.name.clone()).collect() }
    }

    /// The names, as the trace has them, in the order of the numbers of the devices.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a device, fit for a terminal.
    pub fn printed(&self, device: DeviceId) -> String {
        printable(&self.name(device)).into_owned()
    }

    /// The name of a device, as the trace has it.
    pub fn name(&self, device: DeviceId) -> Cow<'_, str> {
        match self.names.get(usize::from(device.0)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("device-{}", device.0)),
        }
    }

    /// Whether lines must say which device they are about.
    pub fn are_several(&self) -> bool {
        self.names.len() > 1
    }

    /// Length of the longest name.
    pub fn width(&self) -> usize {
        self.names.iter().map(|name| printable(name).chars().count()).max().unwrap_or(0)
    }
}

/// `text` with all that is not to be printed written as an escape.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_a_trace_cannot_steer_a_terminal() {
        assert_eq!(printable("disk"), "disk");
        assert_eq!(printable("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}
