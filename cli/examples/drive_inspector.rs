//! Presses keys in the inspector on a terminal of its own, and prints how long each took to show on the screen, beside what it may take:
//! `cargo run --release --example drive_inspector -- PROGRAM TRACE FILTER`.
//!
//! What is waited for is a screen, never bytes: a terminal is played, and asked what stands on it. Knows nothing of traces but how many
//! requests there are, which the screen says. Invariant: what does not come within two minutes ends it with the screen as it was last.

use std::error::Error;
use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than anything takes.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// The screen.
const COLUMNS: u16 = 120;
const LINES: u16 = 40;

/// What may be resident, in MiB.
const RESIDENT_MIB: u64 = 256;

/// Keys, what they are for, and what tells a screen that shows it.
type Step = (&'static str, &'static str, fn(&str) -> bool);

/// The views, by key, each with what its first picture has.
const VIEWS: [Step; 7] = [
    ("2", "map", |screen| body(screen).any(|line| line.contains('│') && line.contains('@'))),
    ("3", "latencies", |screen| {
        row(screen, "R read").is_some_and(|row| row.contains('µ') || row.contains("ms"))
    }),
    ("4", "queue", |screen| body(screen).any(|line| line.contains('░') || line.contains('█'))),
    ("5", "statistics", |screen| row(screen, "R read").is_some()),
    ("6", "epochs", |screen| {
        body(screen).any(|line| line.contains("epochs") && !line.contains("0 epochs"))
    }),
    ("7", "checkpoints", |screen| body(screen).any(|line| line.starts_with('>'))),
    ("9", "findings", |screen| {
        body(screen).any(|line| line.contains("summaries: ") || line.contains(" failed"))
    }),
];

/// What lies below title and timeline.
fn body(screen: &str) -> impl Iterator<Item = &str> {
    screen.lines().skip(1)
}

/// The line of a table that is about this.
fn row<'s>(screen: &'s str, about: &str) -> Option<&'s str> {
    body(screen).find(|line| line.trim_start_matches(['>', ' ']).starts_with(about))
}

/// The focused line of the list.
fn focused(screen: &str) -> Option<&str> {
    screen.lines().find(|line| line.starts_with('>')).filter(|line| !line.contains('…'))
}

/// The id of the focused request.
fn id(screen: &str) -> Option<u64> {
    focused(screen)?.split_whitespace().nth(1)?.parse().ok()
}

/// How many requests a filter found so far, of how many.
fn found(screen: &str) -> Option<u64> {
    let line = screen.lines().find(|line| line.trim_start().starts_with("Filter:"))?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let of = words.iter().rposition(|word| *word == "of")?;
    number(words.get(of.checked_sub(1)?)?)
}

fn number(word: &str) -> Option<u64> {
    let digits = word.trim_start_matches('~').replace(',', "");
    digits.parse().ok()
}

/// A program on its terminal.
struct Driven {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// It is not given back before the program ends.
    _terminal: Box<dyn MasterPty + Send>,
}

impl Driven {
    fn run(program: &str, trace: &str) -> Result<Driven, Box<dyn Error>> {
        let size = PtySize { rows: LINES, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(program);
        command.args(["inspect", trace]);
        command.cwd(std::env::current_dir()?);
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        let keys = pair.master.take_writer()?;
        let mut reader = pair.master.try_clone_reader()?;
        let child = pair.slave.spawn_command(command)?;
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            // The terminal of a program that has ended cannot be read.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(LINES, COLUMNS, 0);
        Ok(Driven { child, keys, output, screen, _terminal: pair.master })
    }

    fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// How long it takes from now on until the screen is as wanted.
    fn wait(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        while !wanted(&self.screen()) {
            let left = TIME_LIMIT.saturating_sub(begun.elapsed());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                return Err(format!("it did not come; the screen is\n{}", self.screen()).into());
            };
            self.screen.process(&bytes);
        }
        Ok(begun.elapsed())
    }

    /// Presses keys; how long it takes until the screen is as wanted, which it is not yet.
    fn press(
        &mut self,
        keys: &str,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        self.keys.write_all(keys.as_bytes())?;
        self.keys.flush()?;
        self.wait(wanted)?;
        Ok(begun.elapsed())
    }

    /// The most that was resident, in MiB.
    fn resident(&self) -> Result<u64, Box<dyn Error>> {
        let pid = self.child.process_id().ok_or("it has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = high.and_then(|high| high.split_whitespace().next()).ok_or("no VmHWM")?;
        Ok(kib.parse::<u64>()? >> 10)
    }
}

/// Prints a line about what took so long, and how long it may.
fn say(what: &str, took: Duration, most_ms: Option<u64>) -> io::Result<()> {
    let most = most_ms.map_or_else(String::new, |most| format!("of {most} ms"));
    let is_over = most_ms.is_some_and(|most| took > Duration::from_millis(most));
    let mark = if is_over { "  too slow" } else { "" };
    let took = took.as_secs_f64() * 1000.0;
    writeln!(io::stdout(), "{what:<44} {took:>9.1} ms  {most}{mark}")
}

fn views(driven: &mut Driven) -> Result<(), Box<dyn Error>> {
    for (key, name, wanted) in VIEWS {
        let tab = format!("[{key} ");
        let took = driven.press(key, |screen| screen.contains(&tab) && wanted(screen))?;
        say(&format!("first picture: {name}"), took, Some(200))?;
        // What goes on is stopped, so that the next is measured alone.
        driven.press("\x1b", |_| true)?;
        thread::sleep(Duration::from_millis(300));
    }
    driven.press("1", |screen| focused(screen).is_some())?;
    Ok(())
}

fn moves(driven: &mut Driven, last: u64, meanwhile: &str) -> Result<(), Box<dyn Error>> {
    type IsThere<'a> = &'a dyn Fn(u64) -> bool;
    let steps: [(&str, &str, IsThere<'_>); 5] = [
        ("G", "to the last", &|id| id == last),
        ("g", "to the first", &|id| id == 0),
        ("\x1b[6~", "a screen down", &|id| id > 1),
        (":50%\r", "to the middle", &|id| id.abs_diff(last / 2) < 2),
        ("j", "a line down", &|id| id > last / 2),
    ];
    for (keys, name, wanted) in steps {
        let before = id(&driven.screen());
        let took = driven.press(keys, |screen| {
            let now = id(screen);
            now != before && now.is_some_and(wanted)
        })?;
        say(&format!("{name}{meanwhile}"), took, Some(50))?;
    }
    driven.press("g", |screen| id(screen) == Some(0))?;
    Ok(())
}

fn filter(driven: &mut Driven, text: &str) -> Result<(), Box<dyn Error>> {
    driven.press("f", |screen| screen.contains("Filter:"))?;
    driven.press(text, |screen| {
        let line = screen.lines().find(|line| line.trim_start().starts_with("Filter:"));
        line.is_some_and(|line| line.trim_end().ends_with("ok"))
    })?;
    let hits = driven.press("\r", |screen| {
        found(screen).is_some_and(|found| found > 0) && focused(screen).is_some()
    })?;
    say("first hits of the filter", hits, Some(100))?;
    let before = id(&driven.screen());
    let moved = driven.press("j", |screen| id(screen) != before)?;
    say("a line down while it looks", moved, Some(50))?;
    let cancelled = driven.press("\x1b", |screen| screen.contains("went no further"))?;
    say("cancelled", cancelled, Some(100))?;
    driven.press("f\r", |screen| !screen.contains("went no further"))?;
    let all = driven.wait(|screen| {
        let line = screen.lines().find(|line| line.trim_start().starts_with("Filter:"));
        line.is_some_and(|line| found(screen).is_some() && !line.contains('~'))
    })?;
    say("all hits", all, None)?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, trace, text] = arguments.as_slice() else {
        return Err("three arguments are wanted: PROGRAM TRACE FILTER".into());
    };
    let begun = Instant::now();
    let program = std::fs::canonicalize(program)?;
    let program = program.to_str().ok_or("a program with a name in UTF-8 is wanted")?;
    let mut driven = Driven::run(program, trace)?;
    driven.wait(|screen| focused(screen).is_some())?;
    say("first frame", begun.elapsed(), Some(200))?;
    driven.wait(|screen| screen.lines().nth(1).is_some_and(|line| line.contains('█')))?;
    say("first timeline", begun.elapsed(), Some(200))?;
    let requests = driven.screen();
    let words: Vec<&str> = requests.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("req")).ok_or("no requests")?;
    let last = words.get(at.wrapping_sub(1)).and_then(|word| number(word)).ok_or("no number")? - 1;
    moves(&mut driven, last, "")?;
    views(&mut driven)?;
    // All of the trace is gone over while somebody moves.
    driven.press("5", |screen| screen.contains("[5 "))?;
    driven.press("1", |screen| focused(screen).is_some())?;
    moves(&mut driven, last, " while all is counted")?;
    driven.press("5", |screen| screen.contains("[5 "))?;
    driven.press("\x1b", |screen| screen.contains("stopped at"))?;
    driven.press("1", |screen| focused(screen).is_some())?;
    filter(&mut driven, text)?;
    let resident = driven.resident()?;
    let mark = if resident > RESIDENT_MIB { "  too much" } else { "" };
    writeln!(io::stdout(), "{:<44} {resident:>9} MiB of {RESIDENT_MIB} MiB{mark}", "resident")?;
    driven.keys.write_all(b"Q")?;
    driven.keys.flush()?;
    driven.child.wait()?;
    Ok(())
}
