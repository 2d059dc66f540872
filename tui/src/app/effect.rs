//! What the state asks of others. Knows no terminal.

use blkreplay_core::request::RequestId;

use crate::hander::Handed;

/// Something that the state cannot do itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// End.
    Quit,
    /// Give the terminal back until somebody says to go on.
    Suspend,
    /// Forget what is on the screen.
    Redraw,
    /// Show the next trace.
    Other,
    /// Keep a note on a request.
    Note(RequestId, String),
    /// Open the file anew, which is not what it was.
    Reopen,
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// Put a text where others can paste it.
    Copy(String),
    /// Hand a text to a program that puts it there.
    Hand(Handed),
    /// Put a text into a file, because it is too large for that.
    Keep(String),
}
