//! The recorded COMMAND: its words, its environment, its signals, its end. Words and signals come in, an exit
//! status as a shell gives it goes out.
//!
//! It knows nothing of traces. Invariants: the COMMAND is waited for, whatever happens; it is signalled only
//! while it has not been waited for, so that no other process can be hit.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal as SystemSignal};
use nix::unistd::Pid;

use crate::activation::VARIABLES;
use crate::cmd::mark::CONTROL;
use crate::failure::Failure;
use crate::signals::{Signal, Signals};
use crate::words::{counted, shell_word};

/// How long a COMMAND may take to end once it has been asked to.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where a COMMAND finds the exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places {
    /// One for each image, in order.
    pub(crate) uris: Vec<String>,
    /// The socket, unless we listen on TCP.
    pub(crate) socket: Option<OsString>,
    /// The control socket, if there is one.
    pub(crate) control: Option<OsString>,
}

/// How a COMMAND ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// As a shell gives it.
    pub(crate) status: u8,
    /// Why it could not be started, if it could not.
    pub(crate) trouble: Option<Failure>,
    /// Somebody wanted it to end: the terminal's user, or who sent us the signal that was passed on.
    pub(crate) interrupted: bool,
}

/// Where a COMMAND's standard output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// To ours.
    ToStdout,
    /// To our standard error: the trace has our standard output.
    ToStderr,
    /// There too, and it has no standard input: keys are not for it.
    Aside,
}

/// A COMMAND that is ready to run.
#[derive(Debug)]
pub(crate) struct RecordedCommand {
    program: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl RecordedCommand {
    /// The COMMAND of `words`, with `{uri}`, `{uri:N}` and `{socket}` replaced wherever they stand.
    pub(crate) fn new(words: &[OsString], places: &Places) -> Result<RecordedCommand, Failure> {
        let words: Result<Vec<_>, _> = words.iter().map(|word| substituted(word, places)).collect();
        let mut words = words?.into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        let program = program.ok_or_else(|| Failure::new("the COMMAND after -- is empty"))?;
        Ok(RecordedCommand {
            program,
            arguments: words.collect(),
            environment: environment(places),
        })
    }

    /// Runs it until it ends.
    pub(crate) fn run(self, speaks: Speaks, signals: &Signals) -> Result<Ended, Failure> {
        self.run_while(speaks, signals, None)
    }

    /// Runs it until it ends; when it is `unwanted`, it is asked to.
    pub(crate) fn run_while(
        self,
        speaks: Speaks,
        signals: &Signals,
        unwanted: Option<&dyn Fn() -> bool>,
    ) -> Result<Ended, Failure> {
        let mut command = Command::new(&self.program);
        if speaks == Speaks::Aside {
            command.stdin(Stdio::null());
        }
        if speaks != Speaks::ToStdout {
            let stderr = io::stderr().as_fd().try_clone_to_owned();
            let stderr =
                stderr.map_err(|error| Failure::because("cannot use standard error", error))?;
            command.stdout(stderr);
        }
        command.args(self.arguments);
        for (name, _) in env::vars_os() {
            // Those of a recording around this one would lead COMMAND to its images.
            let ours = name == "BLKREPLAY_SOCKET" || name == CONTROL;
            // A socket that was handed to us is not COMMAND's.
            let handed = VARIABLES.iter().any(|variable| name == *variable);
            if ours || handed || name.as_bytes().starts_with(b"BLKREPLAY_URI") {
                command.env_remove(name);
            }
        }
        command.envs(self.environment);
        match command.spawn() {
            Ok(child) => {
                let (status, interrupted) = wait(child, signals, unwanted)
                    .map_err(|error| Failure::because("cannot wait for the COMMAND", error))?;
                Ok(Ended { status: status_number(status), trouble: None, interrupted })
            }
            Err(error) => Ok(not_started(&self.program, error)),
        }
    }
}

/// What a shell says of a program that does not start.
fn not_started(program: &OsStr, error: io::Error) -> Ended {
    let status = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
    let what = format!("cannot run {}", shell_word(program));
    let mut failure = if status == 127 && !program.as_bytes().contains(&b'/') {
        Failure::new(format!("{what}: there is no such command"))
    } else {
        Failure::because(what, error)
    };
    if status == 127 && program.as_bytes().contains(&b' ') {
        failure = failure.hint("a whole command line goes through a shell: -- sh -c '…'");
    }
    Ended { status, trouble: Some(failure), interrupted: false }
}

/// How often somebody looks whether the COMMAND is wanted.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for the child; says if a signal was to end it. The terminal's signals reach it without us; the others are passed
/// on, and a second one, or too long a wait, ends it.
fn wait(
    mut child: Child,
    signals: &Signals,
    unwanted: Option<&dyn Fn() -> bool>,
) -> io::Result<(ExitStatus, bool)> {
    let mut deadline = None;
    let mut interrupted = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, interrupted));
        }
        let look = unwanted.filter(|_| deadline.is_none()).map(|_| Instant::now() + LOOK);
        let signal = signals.next(deadline.or(look));
        interrupted |= signal.is_some_and(|signal| signal != Signal::Child);
        let passed_on = match signal {
            Some(Signal::Interrupt | Signal::Child) => continue,
            Some(Signal::Terminate) if deadline.is_none() => SystemSignal::SIGTERM,
            Some(Signal::HangUp) if deadline.is_none() => SystemSignal::SIGHUP,
            None if deadline.is_none() => match unwanted {
                Some(unwanted) if unwanted() => SystemSignal::SIGTERM,
                _ => continue,
            },
            Some(Signal::Terminate | Signal::HangUp) | None => SystemSignal::SIGKILL,
        };
        deadline = Some(Instant::now() + PATIENCE);
        send(&child, passed_on)?;
    }
}

fn send(child: &Child, signal: SystemSignal) -> io::Result<()> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // Not waited for yet, so the number is still its own.
    signal::kill(Pid::from_raw(pid), signal).map_err(io::Error::from)
}

/// A status as a shell gives it.
fn status_number(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// What a COMMAND finds in its environment.
fn environment(places: &Places) -> Vec<(OsString, OsString)> {
    let names = (0..).map(|number: usize| match number {
        0 => OsString::from("BLKREPLAY_URI"),
        _ => OsString::from(format!("BLKREPLAY_URI_{number}")),
    });
    let uris = places.uris.iter().map(OsString::from);
    let socket = places.socket.iter().map(|path| ("BLKREPLAY_SOCKET".into(), path.clone()));
    let control = places.control.iter().map(|path| (CONTROL.into(), path.clone()));
    names.zip(uris).chain(socket).chain(control).collect()
}

/// `word` with each placeholder replaced.
fn substituted(word: &OsStr, places: &Places) -> Result<OsString, Failure> {
    let mut rest = word.as_bytes();
    let mut done = Vec::with_capacity(rest.len());
    while let Some(start) = rest.iter().position(|byte| *byte == b'{') {
        done.extend_from_slice(&rest[..start]);
        rest = &rest[start..];
        let end = rest.iter().position(|byte| *byte == b'}').map_or(rest.len(), |end| end + 1);
        if let Some(value) = value_of(&rest[..end], places)? {
            done.extend_from_slice(value);
            rest = &rest[end..];
        } else {
            // Not ours: braces mean many things in many languages.
            done.push(b'{');
            rest = &rest[1..];
        }
    }
    done.extend_from_slice(rest);
    Ok(OsString::from_vec(done))
}

/// What a placeholder stands for; `None` if it is none.
fn value_of<'places>(
    placeholder: &[u8],
    places: &'places Places,
) -> Result<Option<&'places [u8]>, Failure> {
    let number = match placeholder {
        b"{socket}" => {
            return match &places.socket {
                Some(socket) => Ok(Some(socket.as_bytes())),
                None => Err(Failure::new("{socket} stands for nothing with --listen tcp:…")
                    .hint("{uri} stands for the address of the export")),
            };
        }
        b"{uri}" => 0,
        _ => {
            let digits =
                placeholder.strip_prefix(b"{uri:").and_then(|rest| rest.strip_suffix(b"}"));
            let number = digits.and_then(|digits| str::from_utf8(digits).ok()?.parse().ok());
            let Some(number) = number else { return Ok(None) };
            number
        }
    };
    match places.uris.get::<usize>(number) {
        Some(uri) => Ok(Some(uri.as_bytes())),
        None => Err(Failure::new(format!(
            "{} stands for nothing: there {} {}, counted from 0",
            String::from_utf8_lossy(placeholder),
            if places.uris.len() == 1 { "is" } else { "are" },
            counted(places.uris.len() as u64, "image"),
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places {
            uris: vec!["nbd+unix:///?socket=/s".into(), "nbd+unix:///1?socket=/s".into()],
            socket: Some("/s".into()),
            control: Some("/c".into()),
        }
    }

    fn check(word: &str, expected: &str) {
        assert_eq!(substituted(word.as_ref(), &places()).unwrap(), expected, "{word}");
    }

    #[test]
    fn placeholders_are_replaced_inside_words_too() {
        check("{uri}", "nbd+unix:///?socket=/s");
        check("{uri:0}", "nbd+unix:///?socket=/s");
        check("file={uri:1},format=raw", "file=nbd+unix:///1?socket=/s,format=raw");
        check("{socket}{socket}", "/s/s");
    }

    #[test]
    fn other_braces_are_left_alone() {
        for word in
            ["{", "}", "{}", "{print $1}", "{uri", "{uri:}", "{uri:x}", "{ uri}", "${uri_x}"]
        {
            check(word, word);
        }
        check("{{uri:1}}", "{nbd+unix:///1?socket=/s}");
    }

    #[test]
    fn words_that_are_no_text_survive() {
        let word = OsString::from_vec(b"\xff{socket}\xfe".to_vec());
        let word = substituted(&word, &places()).unwrap();
        assert_eq!(word.as_bytes(), b"\xff/s\xfe");
    }

    #[test]
    fn a_placeholder_that_stands_for_nothing_is_refused() {
        let refused = substituted("{uri:2}".as_ref(), &places()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "{uri:2} stands for nothing: there are 2 images, counted from 0"
        );
        let tcp = Places { socket: None, ..places() };
        let refused = substituted("{socket}".as_ref(), &tcp).unwrap_err();
        assert!(refused.to_string().contains("tcp"), "{refused}");
    }

    #[test]
    fn the_environment_names_every_export() {
        let names: Vec<_> = environment(&places()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            ["BLKREPLAY_URI", "BLKREPLAY_URI_1", "BLKREPLAY_SOCKET", "BLKREPLAY_CONTROL"]
        );
    }

    #[test]
    fn a_status_is_what_a_shell_would_say() {
        for (raw, number) in [(0, 0), (7 << 8, 7), (255 << 8, 255), (9, 137), (15, 143)] {
            assert_eq!(status_number(ExitStatus::from_raw(raw)), number);
        }
    }

    fn run_words(words: &[&str]) -> Ended {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let command = RecordedCommand::new(&words, &places()).unwrap();
        command.run(Speaks::ToStdout, &Signals::catch().unwrap()).unwrap()
    }

    #[test]
    fn a_command_is_run_with_its_places_and_its_status_is_handed_on() {
        let ended = run_words(&["sh", "-c", "test \"$BLKREPLAY_URI_1\" = '{uri:1}' && exit 3"]);
        assert_eq!(ended.status, 3);
        assert_eq!(run_words(&["sh", "-c", "kill -KILL $$"]).status, 137);
    }

    #[test]
    fn a_command_that_cannot_be_run_has_a_shells_status_and_a_reason() {
        let missing = run_words(&["/nonexistent/program"]);
        assert_eq!(missing.status, 127);
        assert!(missing.trouble.unwrap().to_string().contains("No such file"));
        let directory = run_words(&["/"]);
        assert_eq!(directory.status, 126);
        let line = run_words(&["nonexistent program"]);
        assert!(line.trouble.unwrap().hints()[0].contains("sh -c"));
    }
}
