//! What tests run in: a directory of their own, a known environment, a limit on how long anything takes.
//!
//! Knows nothing of traces. Invariant: nothing a test starts outlives it, and a hang is a failure.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use blkreplay_fixtures::bytes;
use blkreplay_fixtures::workload::solid_bytes;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Longer than anything here takes on a slow machine; shorter than anybody's patience.
pub(crate) const PROGRAM_TIME_LIMIT: Duration = Duration::from_mins(3);

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(5);

/// A directory and an environment that belong to one test.
pub(crate) struct Sandbox {
    directory: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        // A socket's path holds at most 107 bytes; a long TMPDIR would leave no room for its name.
        let parent = std::env::temp_dir();
        let parent = if parent.as_os_str().len() > 30 { PathBuf::from("/tmp") } else { parent };
        let directory = tempfile::Builder::new().prefix("blkr-").tempdir_in(parent).unwrap();
        for name in ["tmp", "run"] {
            fs::DirBuilder::new().mode(0o700).create(directory.path().join(name)).unwrap();
        }
        Sandbox { directory }
    }

    /// The path of something in the sandbox.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where sockets are made.
    pub(crate) fn runtime_directory(&self) -> PathBuf {
        self.path("run")
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Reads a file.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A sandbox with a fixture in it, as `t.blkr`.
    pub(crate) fn holding(fixture: &str) -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.write("t.blkr", &bytes(fixture));
        sandbox
    }

    /// What `print` with these arguments prints.
    #[track_caller]
    pub(crate) fn printed(&self, arguments: &str) -> String {
        self.blkreplay(&format!("print {arguments}")).finish().succeeds().stdout
    }

    /// Makes an image of `size` zero bytes that takes no room.
    pub(crate) fn blank(&self, name: &str, size: u64) {
        File::create(self.path(name)).unwrap().set_len(size).unwrap();
    }

    /// Makes an image of `size` bytes without a single zero.
    pub(crate) fn solid(&self, name: &str, seed: u64, size: u64) {
        const PIECE: u64 = 1 << 20;
        let mut file = File::create(self.path(name)).unwrap();
        let mut written = 0;
        while written < size {
            let length = PIECE.min(size - written);
            file.write_all(&solid_bytes(seed + written, usize::try_from(length).unwrap())).unwrap();
            written += length;
        }
    }

    /// Copies a file within the sandbox; holes stay holes.
    #[track_caller]
    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.tool("cp").args(["--sparse=always", from, to]).finish().succeeds();
    }

    /// Removes a file, to make room.
    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Asserts that two files hold the same bytes; says where they differ if not.
    #[track_caller]
    pub(crate) fn assert_same(&self, one: &str, other: &str) {
        self.tool("cmp").args([one, other]).finish().succeeds();
    }

    /// The program under test, with arguments separated by spaces.
    pub(crate) fn blkreplay(&self, arguments: &str) -> Invocation {
        let mut invocation = self.invocation(Path::new(env!("CARGO_BIN_EXE_blkreplay")));
        invocation.command.args(arguments.split_whitespace());
        invocation
    }

    /// A program of the system that the tests need.
    #[track_caller]
    pub(crate) fn tool(&self, name: &str) -> Invocation {
        assert!(is_installed(name), "{name} is missing: run tests/run.sh, which installs it");
        self.invocation(Path::new(name))
    }

    /// Writes a shell script and gives the words that run it. It stops at the first command that fails.
    pub(crate) fn script(&self, name: &str, lines: &str) -> String {
        self.write(name, format!("set -eu\n{lines}\n").as_bytes());
        format!("sh {name}")
    }

    fn invocation(&self, program: &Path) -> Invocation {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", search_path())
            .env("HOME", self.directory.path())
            .env("LANG", "C.UTF-8")
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("TMPDIR", self.path("tmp"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.runtime_directory())
            .stdin(Stdio::null())
            .process_group(0);
        Invocation { command, outputs: self.path("tmp") }
    }
}

/// The search path with the places of mkfs and losetup, which are not in everybody's, and without those
/// that we may not look into: they would turn *not found* into *permission denied*.
fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').chain(["/usr/sbin", "/sbin"]);
    places.filter(|place| Path::new(place).is_dir()).collect::<Vec<_>>().join(":")
}

/// Whether a program is in the search path.
pub(crate) fn is_installed(name: &str) -> bool {
    search_path().split(':').any(|directory| Path::new(directory).join(name).is_file())
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says that something could not be tested here: at once, and again when `tests/run.sh` is done.
#[expect(clippy::print_stderr, reason = "a test runner shows it, or keeps it for a failure")]
pub(crate) fn left_out(what: &str) {
    eprintln!("LEFT OUT: {what}");
    let notes = Path::new(env!("CARGO_TARGET_TMPDIR")).join("left-out.txt");
    let mut notes = File::options().create(true).append(true).open(notes).unwrap();
    writeln!(notes, "{what}").unwrap();
}

/// Waits until `condition` gives something.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < PROGRAM_TIME_LIMIT, "waited {PROGRAM_TIME_LIMIT:?} for {what}");
        std::thread::sleep(POLL);
    }
}

/// A program about to be run.
pub(crate) struct Invocation {
    command: Command,
    outputs: PathBuf,
}

impl Invocation {
    /// Adds arguments that may hold spaces.
    pub(crate) fn args(
        mut self,
        arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>,
    ) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.start().finish()
    }

    /// Starts it. Its output goes to files, so that nobody waits for a reader.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let shown = shown_command(&self.command);
        let stdout = tempfile::NamedTempFile::new_in(&self.outputs).unwrap();
        let stderr = tempfile::NamedTempFile::new_in(&self.outputs).unwrap();
        self.command.stdout(stdout.reopen().unwrap()).stderr(stderr.reopen().unwrap());
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
        Running { child, shown, stdout, stderr, ended: false }
    }
}

/// The program and its arguments, as one would type them.
fn shown_command(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// A program that runs. It is killed, with all it started, when the test ends before it.
pub(crate) struct Running {
    child: Child,
    shown: String,
    stdout: tempfile::NamedTempFile,
    stderr: tempfile::NamedTempFile,
    ended: bool,
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    #[track_caller]
    pub(crate) fn signal(&mut self, signal: Signal) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended by itself: {ended:?}\n{}", self.shown, self.stderr());
        kill_process(self.pid(), signal).unwrap();
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        read_text(self.stderr.path())
    }

    /// Waits until standard error holds `text`; fails if the program ends before.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&mut self, text: &str) {
        wait_for(&format!("{text:?} from {}, which said:\n{}", self.shown, self.stderr()), || {
            if self.stderr().contains(text) {
                return Some(());
            }
            let ended = self.child.try_wait().unwrap();
            let late = self.stderr().contains(text);
            assert!(
                ended.is_none() || late,
                "{} ended and never said {text:?}:\n{}",
                self.shown,
                self.stderr()
            );
            None
        });
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn finish(self) -> Finished {
        self.finish_within(PROGRAM_TIME_LIMIT)
    }

    /// The same, for what has much to do.
    #[track_caller]
    pub(crate) fn finish_within(mut self, limit: Duration) -> Finished {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if started.elapsed() > limit {
                self.kill();
                panic!("{} hung for {limit:?}; it said:\n{}", self.shown, self.stderr());
            }
            std::thread::sleep(POLL);
        };
        self.ended = true;
        Finished {
            shown: self.shown.clone(),
            status,
            stdout: read_text(self.stdout.path()),
            stderr: self.stderr(),
        }
    }

    fn kill(&mut self) {
        // Once it has been waited for, its number may be somebody else's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
        self.ended = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
        }
    }
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
}

/// What a program left behind.
pub(crate) struct Finished {
    shown: String,
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// How it ended; `None` if a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Asserts that it ended with 0.
    #[track_caller]
    pub(crate) fn succeeds(self) -> Finished {
        self.ends_with(0)
    }

    /// Asserts how it ended.
    #[track_caller]
    pub(crate) fn ends_with(self, code: i32) -> Finished {
        self.ends_with_one_of(&[code])
    }

    /// Asserts that it ended in one of several ways.
    #[track_caller]
    pub(crate) fn ends_with_one_of(self, codes: &[i32]) -> Finished {
        let code = self.status.code();
        assert!(code.is_some_and(|code| codes.contains(&code)), "expected {codes:?}: {self}");
        self.has_no_panic()
    }

    /// Asserts that a signal ended it.
    #[track_caller]
    pub(crate) fn ended_by(self, signal: Signal) -> Finished {
        assert_eq!(self.status.signal(), Some(signal.as_raw()), "{self}");
        self.has_no_panic()
    }

    /// Asserts that standard error holds each of `texts`.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Finished {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} was not said: {self}");
        }
        self
    }

    /// No input may make it panic, whatever the exit code.
    #[track_caller]
    fn has_no_panic(self) -> Finished {
        assert!(!self.stderr.contains("panicked at"), "{self}");
        self
    }
}

impl std::fmt::Display for Finished {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Finished { shown, status, stdout, stderr } = self;
        write!(f, "$ {shown}\n{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}
