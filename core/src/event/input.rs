//! What a person does to a virtual machine: keys, buttons, pointers, fingers.
//!
//! Numbers only; what a key is called is the business of who prints it. Invariant: a kind of input stands in its
//! table at its number in the trace file, which is that of a QEMU log.

/// One thing that was done (QEMU: `InputEvent`). Several belong together until an `input_sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Input {
    /// A key was pressed or released.
    Key {
        /// Which.
        key: Key,
        /// Pressed.
        down: bool,
    },
    /// A button of a pointer was pressed or released.
    Button {
        /// Which (QEMU: `InputButton`).
        button: u32,
        /// Pressed.
        down: bool,
    },
    /// A pointer was moved by so much.
    Relative {
        /// Which way (QEMU: `InputAxis`; 0 is x, 1 is y).
        axis: u32,
        /// How far.
        value: i64,
    },
    /// A pointer was moved to a place.
    Absolute {
        /// Which way (QEMU: `InputAxis`; 0 is x, 1 is y).
        axis: u32,
        /// Where, on the scale of the device.
        value: i64,
    },
    /// A finger on a screen (QEMU: `InputMultiTouchEvent`, since 8.1).
    MultiTouch {
        /// What it did (QEMU: `InputMultiTouchType`).
        phase: u32,
        /// Which finger of those there are.
        slot: i64,
        /// Names this touch from its begin to its end.
        tracking_id: i64,
        /// Which way it moved.
        axis: u32,
        /// Where to.
        value: i64,
    },
}

/// Names a key. Logs of different age say it differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// By its number on a PC's keyboard.
    Number(u64),
    /// By QEMU's own code (QEMU: `QKeyCode`; logs up to version 0xe0200d).
    Qcode(u32),
    /// By the code of Linux' input layer (logs from version 0xe0200e on).
    Linux(u32),
}

impl Input {
    /// The printed names of the kinds; the place in the table is the number in the trace file.
    pub const NAMES: [&'static str; 5] = ["key", "button", "relative", "absolute", "multi_touch"];

    /// The number of the kind in the trace file.
    pub fn number(&self) -> u8 {
        match self {
            Input::Key { .. } => 0,
            Input::Button { .. } => 1,
            Input::Relative { .. } => 2,
            Input::Absolute { .. } => 3,
            Input::MultiTouch { .. } => 4,
        }
    }

    /// The printed name of the kind.
    pub fn name(&self) -> &'static str {
        Self::NAMES[usize::from(self.number())]
    }
}

impl Key {
    /// The printed names of the ways to name a key; the place in the table is the number in the trace file.
    pub const NAMES: [&'static str; 3] = ["number", "qcode", "linux"];

    /// The number, in the trace file, of the way in which it is named.
    pub fn number(self) -> u8 {
        match self {
            Key::Number(_) => 0,
            Key::Qcode(_) => 1,
            Key::Linux(_) => 2,
        }
    }

    /// The printed name of the way in which it is named.
    pub fn name(self) -> &'static str {
        Self::NAMES[usize::from(self.number())]
    }

    /// Its number among those named this way.
    pub fn code(self) -> u64 {
        match self {
            Key::Number(code) => code,
            Key::Qcode(code) | Key::Linux(code) => u64::from(code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_input_have_the_numbers_and_names_of_their_tables() {
        let (axis, value, down) = (0, -1, true);
        let all = [
            Input::Key { key: Key::Qcode(1), down },
            Input::Button { button: 0, down },
            Input::Relative { axis, value },
            Input::Absolute { axis, value },
            Input::MultiTouch { phase: 0, slot: 0, tracking_id: 0, axis, value },
        ];
        for (number, input) in all.into_iter().enumerate() {
            assert_eq!(usize::from(input.number()), number);
        }
        assert_eq!(all.map(|input| input.name()), Input::NAMES);
    }

    #[test]
    fn a_key_says_how_it_is_named() {
        let all = [Key::Number(u64::MAX), Key::Qcode(7), Key::Linux(30)];
        assert_eq!(all.map(Key::name), Key::NAMES);
        assert_eq!(all.map(Key::code), [u64::MAX, 7, 30]);
    }
}
