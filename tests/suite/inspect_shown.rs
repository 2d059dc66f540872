//! `inspect`: what is taken out of it is what the command line prints and writes of the same requests.

use blkreplay_fixtures::story;

use crate::base64::base64;
use crate::support::Sandbox;
use crate::terminal::Terminal;

/// The inspector with a filter in force that leaves 50 requests.
fn filtered(sandbox: &Sandbox) -> Terminal {
    sandbox.write("boot.blkr", &story::trace());
    let mut terminal = Terminal::run(sandbox, "inspect boot.blkr", 100, 30);
    terminal.wait_for("600 requests");
    terminal.keys("fop == flush && id > 100\r");
    terminal.wait_for("50 of 600");
    terminal
}

const FILTER: &str = "op==flush&&id>100";

#[test]
fn what_is_shown_is_written_as_print_and_slice_write_it() {
    let sandbox = Sandbox::new();
    let mut terminal = filtered(&sandbox);
    for name in ["a.jsonl", "a.csv", "a.txt", "a.blkr"] {
        terminal.keys(&format!(">{name}\r"));
        terminal.wait_for(&format!("wrote 50 requests to {name}"));
    }
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
    let printed = |arguments: &str| sandbox.printed(&format!("{arguments} -f {FILTER}"));
    assert_eq!(sandbox.read("a.jsonl"), printed("boot.blkr --json").into_bytes());
    assert_eq!(sandbox.read("a.csv"), printed("boot.blkr --format csv").into_bytes());
    assert_eq!(sandbox.read("a.txt"), printed("boot.blkr").into_bytes());
    sandbox.blkreplay(&format!("slice boot.blkr -f {FILTER} -o b.blkr")).finish().succeeds();
    assert_eq!(sandbox.printed("a.blkr --json"), sandbox.printed("b.blkr --json"));
    assert_eq!(sandbox.printed("a.blkr --events"), sandbox.printed("b.blkr --events"));
    sandbox.blkreplay("check a.blkr").finish().succeeds();
}

#[test]
fn the_json_of_a_request_is_copied_as_it_is_printed() {
    let sandbox = Sandbox::new();
    let mut terminal = filtered(&sandbox);
    terminal.keys("g");
    terminal.wait_until("the first flush", |screen| {
        let focused = screen.lines().find(|line| line.starts_with('>')).unwrap_or_default();
        focused.split_whitespace().nth(1) == Some("109")
    });
    terminal.keys("yj");
    terminal.wait_for("copied");
    let line = sandbox.printed("boot.blkr --json -f id==109");
    let encoded = base64(line.trim_end().as_bytes());
    assert!(terminal.raw().contains(&format!("\x1b]52;c;{encoded}")), "{}", terminal.raw());
    terminal.keys("Q");
    assert_eq!(terminal.finish(), 0);
}
