//! The inspector in lines, for people who hear a screen rather than see it, and for scripts: a line comes in, a few lines go out.
//!
//! ```text
//! line ──▶ as behind `:` ──App──▶ state ──view──▶ a screen that nobody sees ──▶ those of its lines that are new
//! ```
//!
//! The same state, threads, commands and pictures as on a screen. Invariants: one line is taken at a time, and answered before the next;
//! what goes out has no colour and is never drawn over.

mod said;

use std::io::{self, BufRead, Read as _, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::app::Effect;
use crate::desk::Heard;
use crate::desks::{Desks, Tagged};
use crate::kept;
use crate::key::{Code, Key};
use crate::look::{Glyphs, Look, Theme};
use crate::opened::Opened;
use crate::run;
use crate::settings::Settings;
use crate::state::panes::Layout;
use crate::view;

use said::Seen;

/// Columns of the screen that nobody sees.
const WIDTH: u16 = 120;

/// Its lines, unless somebody asks for others.
const HEIGHT: u16 = 24;

/// The most lines somebody can ask for.
const HEIGHT_MAX: u16 = 1000;

/// How long a person waits for an answer before what is known so far is said, and the work goes on.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of a line that are taken at most.
const LINE_MAX: u64 = 64 << 10;

/// What is said first.
const HELLO: &str = "a line is a place or a command; `show` says the view, nothing the next line, `help` what there is, `quit` ends";

/// Who is talked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partner {
    /// Somebody who is told when it is their turn, and is not kept waiting.
    Person,
    /// A script, which is told everything to the end.
    Script,
}

/// Looks at traces line by line, until somebody has seen enough or no more lines come.
pub fn converse(
    traces: Vec<Opened>,
    settings: &Settings,
    partner: Partner,
    input: impl BufRead + Send + 'static,
    output: impl Write,
) -> io::Result<()> {
    let look = Look { theme: Theme::Mono, glyphs: Glyphs::Ascii, ..Look::default() };
    // What is copied is said.
    let (has_mouse, copy_command) = (false, Vec::new());
    let settings = Settings { look, has_mouse, copy_command, ..settings.clone() };
    let desks = Desks::new(traces, &settings).map_err(io::Error::other)?;
    run::listen(Signals::new([SIGINT, SIGTERM, SIGHUP])?, desks.sender());
    let asking = read_lines(input, desks.sender());
    let terminal = Terminal::new(TestBackend::new(WIDTH, HEIGHT)).map_err(io::Error::other)?;
    let mut talk =
        Talk { desks, terminal, partner, output, asking, seen: Seen::default(), is_over: false };
    talk.begin()?;
    while !talk.is_over {
        talk.turn()?;
    }
    talk.desks.leave();
    Ok(())
}

/// Reads a line whenever one is asked for, until there are no more.
fn read_lines(input: impl BufRead + Send + 'static, sender: Sender<Tagged>) -> Sender<()> {
    let (asking, asked): (_, Receiver<()>) = channel();
    thread::spawn(move || {
        let mut input = input;
        while asked.recv().is_ok() {
            let mut line = Vec::new();
            let heard = match input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => Heard::End,
                Ok(_) => Heard::Line(String::from_utf8_lossy(&line).trim_end().to_owned()),
            };
            if sender.send((None, heard)).is_err() {
                return;
            }
        }
    });
    asking
}

/// A talk.
struct Talk<W> {
    desks: Desks,
    terminal: Terminal<TestBackend>,
    partner: Partner,
    output: W,
    /// Asks for the next line.
    asking: Sender<()>,
    /// What was on the screen when something was said last.
    seen: Seen,
    /// Somebody has seen enough.
    is_over: bool,
}

impl<W: Write> Talk<W> {
    /// Says what is looked at.
    fn begin(&mut self) -> io::Result<()> {
        self.settle()?;
        writeln!(self.output, "{HELLO}")?;
        self.answer()
    }

    /// Takes a line, and answers.
    fn turn(&mut self) -> io::Result<()> {
        if self.partner == Partner::Person {
            write!(self.output, "> ")?;
        }
        self.output.flush()?;
        // Who reads lines lives as long as we do.
        let _ = self.asking.send(());
        while !self.is_over {
            match self.desks.hear() {
                Ok((_, Heard::Line(line))) => return self.take(&line),
                Ok(other) => self.hear(other),
                Err(_) => self.is_over = true,
            }
            if let Some(came) = self.seen.came(&self.desks.shown().app) {
                writeln!(self.output, "{came}")?;
                self.output.flush()?;
            }
        }
        Ok(())
    }

    fn hear(&mut self, heard: Tagged) {
        let effect = self.desks.take(heard);
        self.desks.wish();
        self.does(effect);
    }

    /// Does what a line says.
    fn take(&mut self, line: &str) -> io::Result<()> {
        if said::is_asking(&self.desks.shown().app) {
            return self.type_in(line);
        }
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("", _) => self.tell([Heard::Line("down".to_owned())]),
            ("show", rows) => self.show(rows),
            ("help", word) => said::help(&self.desks.shown().app.keymap, word, &mut self.output),
            _ => self.tell([Heard::Line(line.to_owned())]),
        }
    }

    /// Answers what was asked for. An empty line takes what stands there.
    fn type_in(&mut self, line: &str) -> io::Result<()> {
        let app = &self.desks.shown().app;
        let (takes_key, is_there) = (said::takes_key(app), said::written(app) == Some(line));
        if line == "cancel" {
            return self.tell([Heard::Key(Key::plain(Code::Esc))]);
        }
        let mut keys = Vec::new();
        if !line.is_empty() && !is_there {
            if !takes_key {
                keys.push(Key { ctrl: true, ..Key::char('u') });
            }
            keys.extend(line.chars().map(Key::char));
        }
        if !takes_key {
            keys.push(Key::plain(Code::Enter));
        }
        self.tell(keys.into_iter().map(Heard::Key))
    }

    /// Has what somebody wants done, and answers.
    fn tell(&mut self, wanted: impl IntoIterator<Item = Heard>) -> io::Result<()> {
        for one in wanted {
            let effect = self.desks.take((None, one));
            self.does(effect);
        }
        if self.is_over {
            return Ok(());
        }
        self.settle()?;
        self.answer()
    }

    /// Does what the state asks for.
    fn does(&mut self, effect: Option<Effect>) {
        match effect {
            Some(Effect::Quit) => self.is_over = true,
            // There is no clipboard: here it is.
            Some(Effect::Copy(text)) => self.desks.shown().app.say(text),
            Some(Effect::Keep(text)) => self.desks.shown().app.kept(kept::keep(&text)),
            Some(Effect::Other) => self.desks.other(),
            Some(Effect::Reopen) => self.desks.reopen(),
            Some(Effect::Redraw) => self.seen = Seen::default(),
            Some(Effect::Suspend | Effect::Mouse(_)) => {
                self.desks.shown().app.refuse("there is no screen here that could do that");
            }
            // It was kept, or handed over, where it was written.
            Some(Effect::Note(..) | Effect::Hand(_)) | None => {}
        }
    }

    /// Waits until all is read that what is shown stands on, or a person would rather hear what is known.
    fn settle(&mut self) -> io::Result<()> {
        let began = Instant::now();
        loop {
            self.draw()?;
            self.desks.wish();
            if self.is_over || self.desks.shown().app.is_settled() {
                return Ok(());
            }
            let heard = match self.partner {
                Partner::Script => self.desks.hear().map_err(|_| RecvTimeoutError::Disconnected),
                Partner::Person => {
                    let left = PATIENCE.checked_sub(began.elapsed()).unwrap_or_default();
                    self.desks.hear_within(left)
                }
            };
            match heard {
                Ok(heard) => self.hear(heard),
                Err(RecvTimeoutError::Timeout) => {
                    return writeln!(self.output, "(it goes on; `cancel` ends it)");
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn draw(&mut self) -> io::Result<()> {
        let app = &mut self.desks.shown().app;
        if app.panes.layout == Layout::Auto {
            // Lines beside each other are not heard beside each other.
            app.panes.layout = Layout::List;
        }
        self.terminal.draw(|frame| view::draw(app, frame)).map(drop).map_err(io::Error::other)
    }

    /// Says what is new.
    fn answer(&mut self) -> io::Result<()> {
        let seen = Seen::of(&self.desks.shown().app, self.terminal.backend().buffer());
        for line in seen.news(&self.seen, &self.desks.shown().app) {
            writeln!(self.output, "{line}")?;
        }
        self.seen = seen;
        Ok(())
    }

    /// Says all of the view, on so many lines.
    fn show(&mut self, rows: &str) -> io::Result<()> {
        let height = match rows.parse::<u16>() {
            _ if rows.is_empty() => HEIGHT,
            Ok(rows @ 1..=HEIGHT_MAX) => rows.max(3),
            _ => {
                return writeln!(
                    self.output,
                    "error: `show` takes how many lines, up to {HEIGHT_MAX}"
                );
            }
        };
        self.terminal.backend_mut().resize(WIDTH, height);
        self.settle()?;
        self.seen = Seen::of(&self.desks.shown().app, self.terminal.backend().buffer());
        for line in self.seen.all() {
            writeln!(self.output, "{line}")?;
        }
        Ok(())
    }
}
