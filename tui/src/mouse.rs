//! What somebody does with the mouse, by the cell of the screen. Knows no terminal library.

/// Something that was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mouse {
    /// The cell: columns and lines from the upper left, from 0.
    pub at: (u16, u16),
    /// What.
    pub does: Does,
}

/// What was done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// The first button went down.
    Press,
    /// The pointer moved while it was down.
    Drag,
    /// The wheel went up.
    WheelUp,
    /// The wheel went down.
    WheelDown,
}
