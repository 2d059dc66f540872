//! A program at a terminal of its own: keys go in, and what it draws is a screen that can be read.
//!
//! Knows nothing of traces. Invariant: what is waited for comes, or the test fails with the screen as it was last.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::Signal;

use crate::support::{Sandbox, wait_for};

/// Longer than anything here takes on a slow machine.
const TIME_LIMIT: Duration = Duration::from_mins(2);

/// What a terminal does that nobody has taken (termios(3), as Linux has them): lines are edited, keys echoed.
const ICANON: u32 = 0o2;
const ECHO: u32 = 0o10;

/// A program and its terminal.
pub(crate) struct Terminal {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    /// All that came out.
    raw: Vec<u8>,
    screen: vt100::Parser,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Terminal {
    /// Runs `blkreplay` with these arguments on a terminal of this size.
    pub(crate) fn run(sandbox: &Sandbox, arguments: &str, columns: u16, rows: u16) -> Terminal {
        Terminal::with(sandbox, arguments, columns, rows, &[])
    }

    /// The same with these in its environment.
    pub(crate) fn with(
        sandbox: &Sandbox,
        arguments: &str,
        columns: u16,
        rows: u16,
        environment: &[(&str, &str)],
    ) -> Terminal {
        let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_blkreplay"));
        Terminal::program(sandbox, &line, (columns, rows), environment)
    }

    /// The same for another program.
    pub(crate) fn program(
        sandbox: &Sandbox,
        line: &str,
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> Terminal {
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let mut words = line.split_whitespace();
        let mut command = CommandBuilder::new(words.next().unwrap());
        command.args(words);
        command.cwd(sandbox.path(""));
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let keys = pair.master.take_writer().unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // The terminal of a program that has ended cannot be read.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(rows, columns, 0);
        Terminal { master: pair.master, child, keys, output, raw: Vec::new(), screen }
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(size(columns, rows)).unwrap();
        self.screen.screen_mut().set_size(rows, columns);
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// All that came out, as it came.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Waits until the screen is as wanted.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut wanted: impl FnMut(&str) -> bool) {
        let end = Instant::now() + TIME_LIMIT;
        while !wanted(&self.screen()) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.take(&bytes),
                Err(error) => {
                    panic!("waited for {what}: {error}; the screen is\n{}", self.screen())
                }
            }
        }
    }

    /// Waits until this stands on the screen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |screen| screen.contains(text));
    }

    /// Waits until the program has been stopped.
    pub(crate) fn wait_until_stopped(&self) {
        let status = format!("/proc/{}/status", self.child.process_id().unwrap());
        wait_for("a stopped program", || {
            std::fs::read_to_string(&status).unwrap().contains("State:\tT").then_some(())
        });
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.process_id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal)
            .unwrap();
    }

    /// Waits for the end; how it ended. The terminal must be as it was before.
    #[track_caller]
    pub(crate) fn finish(mut self) -> u32 {
        let end = Instant::now() + TIME_LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(20)) {
                self.take(&bytes);
            }
            assert!(Instant::now() < end, "it does not end; the screen is\n{}", self.screen());
        };
        // What is still on its way.
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.take(&bytes);
        }
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen(), "the screen of before is not back: {}", self.raw());
        assert!(!screen.hide_cursor(), "the cursor is not back");
        let modes = self.master.get_termios().unwrap().local_flags.bits();
        assert_eq!(modes & (ICANON | ECHO), ICANON | ECHO, "keys are not echoed: {modes:o}");
        status.exit_code()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.screen.process(bytes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.child.kill();
    }
}
