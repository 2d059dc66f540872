//! `inspect`, as somebody uses it: at a terminal, and where there is none.

use blkreplay_fixtures::{native, story};
use rustix::process::Signal;

use crate::base64::base64;
use crate::support::Sandbox;
use crate::terminal::Terminal;

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("boot.blkr", &story::trace());
    sandbox
}

/// The line of the screen that is focused.
fn focused(screen: &str) -> &str {
    screen.lines().find(|line| line.starts_with('>')).unwrap_or_default()
}

fn is_focused(screen: &str, id: u64) -> bool {
    focused(screen).split_whitespace().nth(1) == Some(&id.to_string())
}

#[test]
fn a_slow_write_is_found_with_who_wrote_there_before_and_its_command_is_copied() {
    let sandbox = sandbox();
    let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 100, 30);
    terminal.wait_for("600 requests");
    terminal.keys("fwrite && lat > 5ms");
    terminal.wait_for("ok");
    terminal.keys("\r");
    terminal.wait_for("1 of 600");
    terminal.wait_until("the slow write", |screen| is_focused(screen, story::FAILED));
    let screen = terminal.screen();
    let line = focused(&screen);
    assert!(line.contains("7.12ms") && line.contains("EIO"), "{screen}");
    terminal.keys("\x7f\x7f");
    terminal.wait_until("all requests", |screen| !screen.contains("Filter:"));
    terminal.wait_until("the slow write", |screen| is_focused(screen, story::FAILED));
    terminal.keys(",");
    terminal.wait_until("who wrote before", |screen| is_focused(screen, story::BEFORE));
    terminal.keys("l=");
    terminal.wait_for("off == 135266304");
    terminal.wait_for("3 of 600");
    terminal.keys("j");
    terminal.wait_until("the slow write", |screen| is_focused(screen, story::FAILED));
    terminal.keys("y");
    terminal.wait_for("l copy-line");
    terminal.keys("c");
    terminal.wait_for("copied");
    let copied = "blkreplay print boot.blkr -f 'id == 121'";
    let encoded = base64(copied.as_bytes());
    assert!(terminal.raw().contains(&format!("\x1b]52;c;{encoded}")), "{}", terminal.raw());
    terminal.keys("q");
    assert_eq!(terminal.finish(), 0);
    let printed = sandbox.printed("boot.blkr -f id==121");
    assert!(printed.contains("7.12ms") && printed.contains("EIO"), "{printed}");
}

#[test]
fn a_program_of_the_file_in_the_home_folder_gets_what_is_copied() {
    let sandbox = sandbox();
    let script = r#"[inspect]
copy-command = ["sh", "-c", "echo noise; echo noise >&2; cat > copied"]
"#;
    sandbox.write("blkreplay.toml", script.as_bytes());
    let home = sandbox.path("");
    let path = std::env::var("PATH").unwrap();
    let environment = [("HOME", home.to_str().unwrap()), ("PATH", path.as_str())];
    let mut terminal = Terminal::with(&sandbox, "inspect boot.blkr", 100, 30, &environment);
    terminal.wait_for("600 requests");
    terminal.keys("e");
    terminal.wait_until("the failure", |screen| is_focused(screen, story::FAILED));
    terminal.keys("yc");
    terminal.wait_for("copied 40 bytes with sh");
    assert!(!terminal.screen().contains("noise"), "{}", terminal.screen());
    let copied = std::fs::read_to_string(sandbox.path("copied")).unwrap();
    assert_eq!(copied, "blkreplay print boot.blkr -f 'id == 121'");
    assert!(!terminal.raw().contains("\x1b]52;"), "it does not go through the terminal as well");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
    let environment = [("HOME", "/nonexistent"), ("PATH", path.as_str())];
    let mut terminal = Terminal::with(&sandbox, "inspect boot.blkr", 140, 30, &environment);
    terminal.wait_for("blkreplay.toml:2 is not taken");
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn the_demo_ends_in_the_inspector_and_says_what_is_next() {
    let sandbox = Sandbox::new();
    let mut terminal = Terminal::run(&sandbox, "demo --dir demo", 100, 50);
    terminal.wait_for("5. Inspect");
    assert!(!terminal.raw().contains("\x1b[?1049h"), "what was told can be read first");
    terminal.keys("\r");
    terminal.wait_for("demo/demo.blkr");
    terminal.wait_for("[1 Requests]");
    terminal.keys("Q");
    terminal.wait_for("byte for byte");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn where_there_is_no_terminal_it_is_print() {
    let sandbox = sandbox();
    let inspected = sandbox.blkreplay("inspect boot.blkr").finish().succeeds().stdout;
    assert_eq!(inspected, sandbox.printed("boot.blkr"));
    let mut dumb = Terminal::with(&sandbox, "inspect boot.blkr", 80, 24, &[("TERM", "dumb")]);
    dumb.wait_for("599");
    assert!(!dumb.raw().contains("\x1b[?1049h"), "{}", dumb.raw());
    assert_eq!(dumb.finish(), 0);
}

#[test]
fn without_colour_nothing_is_lost() {
    let sandbox = sandbox();
    for (arguments, environment) in
        [("inspect boot.blkr", &[("NO_COLOR", "1")][..]), ("--color never inspect boot.blkr", &[])]
    {
        nothing_is_lost(Terminal::with(&sandbox, arguments, 80, 24, environment));
    }
}

fn nothing_is_lost(mut terminal: Terminal) {
    terminal.wait_for("600 requests");
    terminal.keys("e");
    terminal.wait_until("the request that failed", |screen| is_focused(screen, story::FAILED));
    terminal.keys("j");
    terminal.wait_until("the next request", |screen| is_focused(screen, story::FAILED + 1));
    let screen = terminal.screen();
    assert!(screen.lines().any(|line| line.contains("EIO") && line.ends_with('!')), "{screen}");
    assert!(!terminal.raw().contains("\x1b[38;"), "{}", terminal.raw());
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn what_cannot_be_looked_at_is_told_before_the_screen_is_taken() {
    let sandbox = sandbox();
    sandbox.write("text.blkr", b"no trace\n");
    for (arguments, text) in [
        ("inspect gone.blkr", "gone.blkr"),
        ("inspect text.blkr", "text.blkr"),
        ("inspect -", "standard input is a terminal"),
    ] {
        let mut terminal = Terminal::run(&sandbox, arguments, 100, 30);
        terminal.wait_for(text);
        assert!(!terminal.raw().contains("\x1b[?1049h"), "{}", terminal.raw());
        assert_eq!(terminal.finish(), 2, "{arguments}");
    }
}

#[test]
fn the_terminal_is_given_back_when_it_is_told_to_end() {
    let sandbox = sandbox();
    for signal in [Signal::TERM, Signal::HUP] {
        let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 80, 24);
        terminal.wait_for("600 requests");
        terminal.signal(signal);
        assert_eq!(terminal.finish(), 0, "{signal:?}");
    }
    let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 80, 24);
    terminal.wait_for("600 requests");
    terminal.keys("\x03");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn it_stops_when_somebody_wants_the_terminal_and_goes_on_where_it_was() {
    let sandbox = sandbox();
    let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 80, 24);
    terminal.wait_for("600 requests");
    terminal.keys("e");
    terminal.wait_until("the request that failed", |screen| is_focused(screen, story::FAILED));
    terminal.keys("\x1a");
    terminal.wait_until("the screen of before", |screen| !screen.contains("600 requests"));
    terminal.wait_until_stopped();
    terminal.signal(Signal::CONT);
    terminal.wait_until("the request that failed", |screen| is_focused(screen, story::FAILED));
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_terminal_may_change_its_size_as_often_as_it_likes() {
    let sandbox = sandbox();
    let mut terminal = Terminal::run(&sandbox, "inspect boot.blkr", 80, 24);
    terminal.wait_for("600 requests");
    terminal.keys("e");
    for step in 0..60_u16 {
        terminal.resize(1 + step * 37 % 200, 1 + step * 11 % 60);
    }
    terminal.resize(120, 40);
    terminal.wait_until("the request that failed", |screen| {
        is_focused(screen, story::FAILED) && screen.contains("connection 0")
    });
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}

#[test]
fn a_long_trace_is_gone_through_by_views_moves_and_a_filter() {
    let sandbox = Sandbox::new();
    sandbox.write("long.blkr", &native::long(100_000));
    let mut terminal = Terminal::run(&sandbox, "inspect long.blkr", 100, 30);
    terminal.wait_for("100,000 req");
    terminal.keys("5");
    terminal.wait_for("[5 Stats]");
    terminal.wait_for("R read");
    terminal.keys("1G");
    terminal.wait_until("the last request", |screen| is_focused(screen, 99_999));
    terminal.keys("fid % 1000 == 7 && hold > 1ns");
    terminal.wait_until("a filter that is one", |screen| {
        let line = screen.lines().find(|line| line.contains("Filter:"));
        line.is_some_and(|line| line.trim_end().ends_with("ok"))
    });
    terminal.keys("\r");
    // Before anything is found there is nothing to go to.
    terminal.wait_until("hits", |screen| {
        let id = focused(screen).split_whitespace().nth(1).and_then(|id| id.parse::<u64>().ok());
        id.is_some_and(|id| id % 1000 == 7)
    });
    for (key, id) in [("g", 7), ("j", 1007), ("k", 7)] {
        terminal.keys(key);
        terminal.wait_until("another request", |screen| is_focused(screen, id));
    }
    terminal.keys("\x7f\x7f");
    terminal.wait_until("all requests", |screen| !screen.contains("Filter:"));
    terminal.keys("4");
    terminal.wait_for("[4 ");
    terminal.wait_until("the whole queue", |screen| screen.contains("max 1  avg"));
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}
