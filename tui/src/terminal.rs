//! The terminal, taken for the screen and given back whatever happens.
//!
//! Invariant: when the guard is gone, or its thread ends by a panic, the terminal is as it was, and so is its mouse. A panic of another
//! thread does not write to the screen.

use std::io::{self, IsTerminal as _, Stdout, Write as _};
use std::panic::{self, PanicHookInfo};
use std::thread;

use crossterm::cursor::Show;
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;

/// The terminal while it is ours.
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// The mouse is ours.
    has_mouse: bool,
}

impl Screen {
    /// Takes the terminal. `died` is told why another thread ended by a panic.
    pub(crate) fn take(
        has_mouse: bool,
        died: impl Fn(String) + Send + Sync + 'static,
    ) -> io::Result<Screen> {
        let before = panic::take_hook();
        let own = thread::current().id();
        panic::set_hook(Box::new(move |info| {
            if thread::current().id() == own {
                give_back();
                return before(info);
            }
            tell(info, &died);
            if !io::stderr().is_terminal() {
                before(info);
            }
        }));
        enter(has_mouse)?;
        Ok(Screen { terminal: Terminal::new(CrosstermBackend::new(io::stdout()))?, has_mouse })
    }

    /// Draws a frame.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(|_| ())
    }

    /// Forgets what is on it.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        execute!(io::stdout(), Clear(ClearType::All))?;
        // `Terminal::clear` asks the terminal where its cursor is, and waits for an answer among the keys.
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// Puts a text where others can paste it, by the terminal (OSC 52).
    pub(crate) fn copy(&mut self, text: &str) -> io::Result<()> {
        let copy = crossterm::clipboard::CopyToClipboard::to_clipboard_from(text);
        execute!(self.terminal.backend_mut(), copy)
    }

    /// Gives the terminal back, stops until somebody says to go on, and takes it again.
    pub(crate) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTSTP)?;
        enter(self.has_mouse)?;
        self.clear()
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub(crate) fn set_mouse(&mut self, is_ours: bool) -> io::Result<()> {
        self.has_mouse = is_ours;
        if is_ours {
            execute!(self.terminal.backend_mut(), EnableMouseCapture)
        } else {
            execute!(self.terminal.backend_mut(), DisableMouseCapture)
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
        if !thread::panicking() {
            // Panics are told as usual again.
            drop(panic::take_hook());
        }
    }
}

/// Tells a panic in a line: of which thread, why, and where.
fn tell(info: &PanicHookInfo<'_>, died: &impl Fn(String)) {
    let why = info.payload_as_str().unwrap_or("it did not say why");
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let place = info.location().map_or_else(String::new, |place| format!(" ({place})"));
    died(format!("{why}{place}"));
}

fn enter(has_mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    if has_mouse { execute!(io::stdout(), EnableMouseCapture) } else { Ok(()) }
}

fn give_back() {
    // There is nobody to tell if it does not work.
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::journal::Journal;

    #[test]
    fn a_panic_of_a_thread_is_told_in_a_line_with_its_place_and_noted_in_the_journal() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blkreplay/inspect.log");
        let journal = Journal::at(Some(path.clone()));
        let (sender, heard) = channel();
        let died = move |why: String| {
            let noted = journal.note(&why);
            sender.send((why, noted)).unwrap();
        };
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| tell(info, &died)));
        let line = line!() + 1;
        let ended = thread::spawn(|| panic!("no page {}\n of them", 7)).join();
        panic::set_hook(before);
        assert!(ended.is_err());
        let (why, noted) = heard.recv().unwrap();
        assert_eq!(
            why.split_once(&format!(":{line}:")).unwrap().0,
            "no page 7 of them (tui/src/terminal.rs"
        );
        assert_eq!(noted.path, Some(path.clone()));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.ends_with(&format!(": {why}\n")) && text.lines().count() == 1, "{text}");
    }
}
