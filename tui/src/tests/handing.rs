//! What is copied goes to a program of somebody's own: whole, without anybody waiting, and to a file where it was not taken.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::Inspector;
use crate::desk::Heard;
use crate::hander::{self, Handed, Taken};
use crate::key::Key;
use crate::settings::Settings;
use crate::words;

/// An inspector whose texts go to `sh -c script path`.
fn inspector(script: &str, path: &str) -> Inspector {
    let mut inspector = Inspector::new(160, 24);
    let copy_command = ["sh", "-c", script, path].map(str::to_owned).to_vec();
    inspector.desk.app.settle_in(Settings { copy_command, ..Settings::default() });
    inspector
}

/// What a program made of a text.
fn handed(script: &str, path: &str, text: String, patience: Duration) -> Taken {
    let command = ["sh", "-c", script, path].map(str::to_owned).to_vec();
    let handed = Handed { command, text, before: String::new(), behind: String::new() };
    let (sender, heard) = channel();
    hander::start(handed, patience, move |taken| sender.send(taken).unwrap()).join().unwrap();
    heard.recv().unwrap()
}

/// The file that a message names, which is removed.
fn kept(message: &str) -> String {
    let path = PathBuf::from(message.rsplit(" are in ").next().unwrap());
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(path).unwrap();
    text
}

#[test]
fn a_program_gets_what_is_copied_and_that_is_said() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clipboard");
    let mut inspector = inspector("cat > \"$0\"", path.to_str().unwrap());
    inspector.type_keys("e y l");
    let line = words::line(inspector.desk.app.requests.focused().unwrap());
    assert_eq!(fs::read_to_string(&path).unwrap(), line);
    assert_eq!(inspector.message(), format!("copied {} bytes with sh", line.len()));
    inspector.type_keys("r");
    let replay = fs::read_to_string(&path).unwrap();
    assert!(replay.starts_with("blkreplay replay boot.blkr"), "{replay}");
    let said = format!("copied {} bytes with sh: replay up to #121 brings", replay.len());
    assert!(inspector.message().starts_with(&said), "{}", inspector.message());
}

#[test]
fn a_program_that_fails_is_told_with_what_it_says_first_and_the_text_is_kept() {
    let script = "echo out; echo; echo 'no \u{1b}[31mdisplay' >&2; echo more >&2; exit 3";
    let mut inspector = inspector(script, "0");
    inspector.type_keys("e y c");
    let message = inspector.message().to_owned();
    let text = "blkreplay print boot.blkr -f 'id == 121'";
    let said = format!("sh ended with 3: no [31mdisplay; {} bytes are in ", text.len());
    assert!(message.starts_with(&said), "{message}");
    assert_eq!(kept(&message), text);
    assert!(inspector.desk.app.message.as_ref().unwrap().is_error);
    assert!(!inspector.screen().contains("out") && !inspector.screen().contains("more"));
}

#[test]
fn a_program_that_is_not_there_is_told() {
    let mut inspector = Inspector::new(160, 24);
    let copy_command = vec!["blkreplay-has-no-such-program".to_owned()];
    inspector.desk.app.settle_in(Settings { copy_command, ..Settings::default() });
    inspector.type_keys("y l");
    let message = inspector.message().to_owned();
    assert!(message.starts_with("cannot run blkreplay-has-no-such-program: No such"), "{message}");
    kept(&message);
}

#[test]
fn a_program_that_does_not_end_is_killed_and_nobody_waits_for_it_meanwhile() {
    let second = Duration::from_secs(1);
    let taken = handed("exec sleep 60", "0", "text".to_owned(), second);
    let (why, kept) = taken.failed.unwrap();
    assert_eq!(why, "sh did not end within 1 s, and was killed");
    fs::remove_file(kept.unwrap()).unwrap();

    let mut inspector = inspector("sleep 1", "0");
    let began = Instant::now();
    for key in ["y", "l", "j", "j"] {
        inspector.desk.take(Heard::Key(key.parse::<Key>().unwrap()));
    }
    assert!(began.elapsed() < second, "{:?}", began.elapsed());
    assert!(!inspector.desk.app.is_settled());
    inspector.settle();
    assert_eq!(inspector.focused(), 2);
    assert!(inspector.message().starts_with("copied "), "{}", inspector.message());
}

#[test]
fn a_program_that_goes_on_in_the_background_has_taken_the_text() {
    let began = Instant::now();
    let taken = handed("sleep 8 & exit 0", "0", "text".to_owned(), hander::PATIENCE);
    assert!(taken.failed.is_none() && began.elapsed() < Duration::from_secs(6));
}

#[test]
fn a_text_of_any_length_is_handed_over_whole_and_one_that_nobody_reads_is_no_trouble() {
    let text = "0123456789abcdef".repeat(1 << 16);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("clipboard");
    let taken = handed("cat > \"$0\"", path.to_str().unwrap(), text.clone(), hander::PATIENCE);
    assert!(taken.failed.is_none());
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert!(handed("exit 0", "0", text, hander::PATIENCE).failed.is_none());
}
