//! The loop: keys and what was read come in, one after the other; the state changes, and is drawn.
//!
//! Invariant: nothing here reads the trace; a frame is drawn when all that has come was taken.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread;

use crossterm::event::{self, Event, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::Effect;
use crate::desk::{Again, Desk, Heard, Trace};
use crate::kept;
use crate::key::{Code, Key};
use crate::look::{Look, Theme};
use crate::outlet::Outlet;
use crate::terminal::Screen;
use crate::view;

/// Shows the trace of this name, which a shell takes as `word`, until somebody has seen enough. `again` opens it once more;
/// its requests are copied and written as `outlet` has them.
pub fn run(
    name: String,
    word: String,
    trace: Trace,
    again: Again,
    outlet: Arc<dyn Outlet>,
    look: Look,
) -> io::Result<()> {
    crossterm::style::force_color_output(look.theme != Theme::Mono);
    let mut desk = Desk::new(name, word, trace, again, outlet);
    desk.app.look = look;
    listen(Signals::new([SIGTERM, SIGHUP])?, desk.sender());
    let mut screen = Screen::take()?;
    read_keys(desk.sender());
    loop {
        screen.draw(|frame| view::draw(&mut desk.app, frame))?;
        desk.wish();
        if take(&mut desk, &mut screen)? {
            return Ok(());
        }
    }
}

/// Takes all that has come; whether it is time to end.
fn take(desk: &mut Desk, screen: &mut Screen) -> io::Result<bool> {
    let Ok(first) = desk.hear() else { return Ok(true) };
    let others: Vec<Heard> = desk.heard().collect();
    for one in std::iter::once(first).chain(others) {
        match desk.take(one) {
            Some(Effect::Quit) => return Ok(true),
            Some(Effect::Suspend) => screen.suspend()?,
            Some(Effect::Redraw) => screen.clear()?,
            Some(Effect::Copy(text)) => screen.copy(&text)?,
            Some(Effect::Keep(text)) => desk.app.kept(kept::keep(&text)),
            None => {}
        }
    }
    Ok(false)
}

fn listen(mut signals: Signals, sender: Sender<Heard>) {
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = sender.send(Heard::End);
        }
    });
}

fn read_keys(sender: Sender<Heard>) {
    thread::spawn(move || {
        loop {
            let heard = match event::read() {
                Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                    translated(key).map(Heard::Key)
                }
                Ok(Event::Resize(..)) => Some(Heard::Resized),
                Ok(_) => None,
                Err(_) => Some(Heard::End),
            };
            let ends = matches!(heard, Some(Heard::End));
            if heard.is_some_and(|heard| sender.send(heard).is_err()) || ends {
                return;
            }
        }
    });
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
