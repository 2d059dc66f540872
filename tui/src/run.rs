//! The loop: keys and what was read come in, one after the other; the state changes, and is drawn.
//!
//! Invariant: nothing here reads the trace; a frame is drawn when all that has come was taken.

use std::io;
use std::sync::mpsc::Sender;
use std::thread;

use crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::Effect;
use crate::desk::Heard;
use crate::desks::{Desks, Tagged};
use crate::kept;
use crate::key::{Code, Key};
use crate::look::Theme;
use crate::mouse::{Does, Mouse};
use crate::opened::Opened;
use crate::settings::Settings;
use crate::terminal::Screen;
use crate::view;

/// Shows traces, the first of them first, until somebody has seen enough; `settings` are how somebody wants that.
pub fn run(traces: Vec<Opened>, settings: &Settings) -> io::Result<()> {
    crossterm::style::force_color_output(settings.look.theme != Theme::Mono);
    let mut desks = Desks::new(traces, settings).map_err(io::Error::other)?;
    listen(Signals::new([SIGTERM, SIGHUP])?, desks.sender());
    let telling = desks.sender();
    let journal = settings.journal.clone();
    let died = move |why: String| {
        let noted = journal.note(&why);
        // If nobody hears it the screen is gone.
        let _ = telling.send((None, Heard::Died(why, noted)));
    };
    let mut screen = Screen::take(settings.has_mouse, died)?;
    read_keys(desks.sender());
    loop {
        screen.draw(|frame| view::draw(&mut desks.shown().app, frame))?;
        desks.wish();
        if take(&mut desks, &mut screen)? {
            desks.leave();
            return Ok(());
        }
    }
}

/// Takes all that has come; whether it is time to end.
fn take(desks: &mut Desks, screen: &mut Screen) -> io::Result<bool> {
    let Ok(first) = desks.hear() else { return Ok(true) };
    let others: Vec<Tagged> = desks.heard().collect();
    for one in std::iter::once(first).chain(others) {
        match desks.take(one) {
            Some(Effect::Quit) => return Ok(true),
            Some(Effect::Suspend) => screen.suspend()?,
            Some(Effect::Redraw) => screen.clear()?,
            Some(Effect::Mouse(is_ours)) => screen.set_mouse(is_ours)?,
            Some(Effect::Copy(text)) => screen.copy(&text)?,
            Some(Effect::Keep(text)) => desks.shown().app.kept(kept::keep(&text)),
            Some(Effect::Other) => desks.other(),
            Some(Effect::Reopen) => desks.reopen(),
            // They were kept, or handed over, where they were written.
            Some(Effect::Note(..) | Effect::Hand(_)) | None => {}
        }
    }
    Ok(false)
}

/// Hears one of these signals as the end.
pub(crate) fn listen(mut signals: Signals, sender: Sender<Tagged>) {
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = sender.send((None, Heard::End));
        }
    });
}

fn read_keys(sender: Sender<Tagged>) {
    thread::spawn(move || {
        loop {
            let heard = match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    translated(key).map(Heard::Key)
                }
                Ok(Event::Resize(..)) => Some(Heard::Resized),
                Ok(Event::Mouse(mouse)) => pointed(mouse).map(Heard::Mouse),
                Ok(_) => None,
                Err(_) => Some(Heard::End),
            };
            let ends = matches!(heard, Some(Heard::End));
            if heard.is_some_and(|heard| sender.send((None, heard)).is_err()) || ends {
                return;
            }
        }
    });
}

/// What is done with the mouse that means something here.
fn pointed(mouse: event::MouseEvent) -> Option<Mouse> {
    use event::{MouseButton, MouseEventKind};
    let does = match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) => Does::Press,
        MouseEventKind::Drag(MouseButton::Left) => Does::Drag,
        MouseEventKind::ScrollUp => Does::WheelUp,
        MouseEventKind::ScrollDown => Does::WheelDown,
        _ => return None,
    };
    Some(Mouse { at: (mouse.column, mouse.row), does })
}

fn translated(key: event::KeyEvent) -> Option<Key> {
    use event::{KeyCode, KeyModifiers};
    let code = match key.code {
        KeyCode::Char(character) => Code::Char(character),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(number) => Code::F(number),
        _ => return None,
    };
    let (ctrl, alt) =
        (key.modifiers.contains(KeyModifiers::CONTROL), key.modifiers.contains(KeyModifiers::ALT));
    Some(Key { code, ctrl, alt })
}
