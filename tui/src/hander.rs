//! Hands a text to a program of somebody's own, such as `wl-copy`, on its standard input. A text and a command in, how it went out.
//!
//! Invariants: the screen does not wait for it; it ends within ten seconds; nothing of what the program says reaches the screen; a text
//! that it did not take is in a file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::kept;

/// How long a program may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it ended.
const NAP: Duration = Duration::from_millis(5);

/// What is read of what it says.
const SAID_BYTES: u64 = 4096;

/// A text for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// The program, and its arguments.
    pub command: Vec<String>,
    /// What it gets.
    pub text: String,
    /// What is said of it before how many bytes it has.
    pub before: String,
    /// What is said behind that.
    pub behind: String,
}

/// How it went.
#[derive(Debug)]
pub struct Taken {
    /// What was handed over.
    pub handed: Handed,
    /// Why it was not taken, and where it is instead.
    pub failed: Option<(String, io::Result<PathBuf>)>,
}

impl Handed {
    /// What the program is called.
    pub fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }
}

/// Begins; `tell` is told how it went.
pub(crate) fn start(
    handed: Handed,
    patience: Duration,
    tell: impl FnOnce(Taken) + Send + 'static,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let failed = hand(&handed, patience).err().map(|why| (why, kept::keep(&handed.text)));
        tell(Taken { handed, failed });
    })
}

fn hand(handed: &Handed, patience: Duration) -> Result<(), String> {
    let name = handed.program();
    let cannot = |error: io::Error| format!("cannot run {name}: {error}");
    // Files, and no pipes: a program that goes on in the background holds them open, and nobody waits for that.
    let mut given = tempfile::tempfile().map_err(cannot)?;
    given.write_all(handed.text.as_bytes()).and_then(|()| given.rewind()).map_err(cannot)?;
    let said = tempfile::tempfile().map_err(cannot)?;
    let mut child = Command::new(name)
        .args(handed.command.iter().skip(1))
        .stdin(given)
        .stdout(Stdio::null())
        .stderr(said.try_clone().map_err(cannot)?)
        // What is typed, such as ctrl-c, is for the inspector.
        .process_group(0)
        .spawn()
        .map_err(cannot)?;
    let why = match waited(&mut child, patience).map_err(cannot)? {
        Some(status) if status.success() => return Ok(()),
        Some(status) => format!("{name} {}", ended(status)),
        None => format!("{name} did not end within {} s, and was killed", patience.as_secs()),
    };
    Err(first_line(said).map_or(why.clone(), |line| format!("{why}: {line}")))
}

/// How it ended; `None` if it had to be killed.
fn waited(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(NAP);
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (None, signal) => format!("was ended by signal {}", signal.unwrap_or_default()),
    }
}

/// The first line that was written to a file, without what moves a cursor.
fn first_line(mut said: File) -> Option<String> {
    let mut bytes = Vec::new();
    said.rewind().ok()?;
    said.take(SAID_BYTES).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).collect())
}
