//! `inspect` of what is being recorded, as somebody uses it: a client of an image in one place, the inspector in another.

use std::fs;

use blkreplay_fixtures::story;
use rustix::process::Signal;

use crate::support::{Sandbox, wait_for};
use crate::terminal::Terminal;

/// A client that writes as many requests as the numbers of its files say, one file after the other, and ends when it is told to,
/// or when its folder is gone: it outlives a recording that a test leaves.
const CLIENT: &str = "\
for part in 1 2; do
  while [ -e disk.img ] && [ ! -e part$part ]; do sleep 0.02; done
  qemu-io -f raw -c 'write -q 0 4k' -c 'write -q 4k 4k' -c 'write -q 8k 4k' \"$BLKREPLAY_URI\"
  echo part $part is done
done
while [ -e disk.img ] && [ ! -e end ]; do sleep 0.02; done";

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox.script("client.sh", CLIENT);
    sandbox.write("boot.blkr", &story::trace());
    sandbox
}

/// What a terminal of somebody has in its environment.
fn terminal(sandbox: &Sandbox, arguments: &str) -> Terminal {
    let path = std::env::var("PATH").unwrap();
    let (home, state) = (sandbox.path(""), sandbox.path("state"));
    let temporary = sandbox.path("tmp");
    let environment = [
        ("PATH", path.as_str()),
        ("HOME", home.to_str().unwrap()),
        ("XDG_STATE_HOME", state.to_str().unwrap()),
        ("TMPDIR", temporary.to_str().unwrap()),
    ];
    Terminal::with(sandbox, arguments, 100, 30, &environment)
}

/// How many requests the title counts.
fn requests(screen: &str) -> Option<u64> {
    let words: Vec<&str> = screen.lines().next()?.split_whitespace().collect();
    let at = words.iter().position(|word| word.starts_with("req"))?;
    words[at.checked_sub(1)?].parse().ok()
}

/// The id on a line of the list.
fn id(line: &str) -> Option<u64> {
    line[1..].split_whitespace().next()?.parse().ok()
}

fn focused(screen: &str) -> Option<u64> {
    screen.lines().find(|line| line.starts_with('>')).and_then(id)
}

fn is_last_focused(screen: &str) -> bool {
    let last = screen.lines().filter(|line| line.len() > 1 && line.is_char_boundary(1));
    let last = last
        .filter(|line| line.contains(" write ") || line.contains(" flush "))
        .filter_map(id)
        .max();
    last.is_some() && last == focused(screen)
}

#[test]
fn a_recording_is_followed_from_another_terminal_until_it_ends() {
    let sandbox = sandbox();
    let recording = sandbox.blkreplay("record disk.img -w -o t.blkr -- sh client.sh").start();
    wait_for("the trace", || sandbox.path("t.blkr").exists().then_some(()));
    let mut inspector = terminal(&sandbox, "inspect -F t.blkr");
    inspector.wait_for("follow: on");
    sandbox.write("part1", b"");
    inspector
        .wait_until("its requests", |screen| screen.contains(" write ") && is_last_focused(screen));
    inspector.keys("g");
    inspector.wait_for("follow: paused, G goes on");
    let before = requests(&inspector.screen());
    sandbox.write("part2", b"");
    inspector.wait_until("what came meanwhile", |screen| requests(screen) > before);
    let screen = inspector.screen();
    assert!(screen.contains("follow: paused, G goes on"), "{screen}");
    assert_eq!(focused(&screen), Some(0), "{screen}");
    inspector.keys("fwrite\r");
    inspector.wait_for("~6 of");
    inspector.keys("G");
    sandbox.write("end", b"");
    recording.finish().succeeds();
    inspector.wait_for("the recording ended");
    inspector
        .wait_until("an exact count", |screen| screen.contains(" 6 of ") && !screen.contains("~6"));
    inspector.keys("Q");
    assert_eq!(inspector.finish(), 0);
}

#[test]
fn a_recording_that_goes_on_does_not_look_damaged() {
    let sandbox = sandbox();
    let mut recording = sandbox.blkreplay("record disk.img -w -o t.blkr -- sh client.sh").start();
    let length = || fs::metadata(sandbox.path("t.blkr")).map_or(0, |file| file.len());
    let header = wait_for("the trace", || Some(length()).filter(|length| *length > 0));
    sandbox.write("part1", b"");
    wait_for("some requests", || (length() > header).then_some(()));
    let mut inspector = terminal(&sandbox, "inspect t.blkr");
    inspector.wait_for("still being recorded: F follows it");
    assert!(!inspector.screen().contains("cut"), "{}", inspector.screen());
    inspector.keys("F");
    inspector.wait_for("follow: on");
    // Nobody can finish the trace now.
    recording.signal(Signal::KILL);
    inspector.wait_for("nobody has the file that says so");
    inspector.keys("Q");
    assert_eq!(inspector.finish(), 0);
}

#[test]
fn record_inspect_shows_what_is_recorded_and_ends_as_record_does() {
    let sandbox = sandbox();
    let mut recording =
        terminal(&sandbox, "record disk.img -w -o t.blkr --inspect -- sh client.sh");
    recording.wait_for("follow: on");
    sandbox.write("part1", b"");
    recording.wait_until("its requests", |screen| screen.contains(" write "));
    sandbox.write("part2", b"");
    sandbox.write("end", b"");
    recording.wait_for("the recording ended");
    assert!(!recording.screen().contains("part 1 is done"), "{}", recording.screen());
    recording.keys("q");
    recording.wait_for("what was said meanwhile is in");
    recording.wait_for("next");
    let raw = recording.raw();
    assert_eq!(recording.finish(), 0);
    let said = raw.rsplit("what was said meanwhile is in ").next().unwrap();
    let said = said.lines().next().unwrap().trim();
    assert_eq!(fs::read_to_string(said).unwrap(), "part 1 is done\npart 2 is done\n");
    assert_eq!(sandbox.printed("t.blkr -f write").lines().count(), 7);
}

#[test]
fn a_recording_goes_on_when_its_inspector_is_left_and_ctrl_c_ends_it() {
    let sandbox = sandbox();
    let mut recording = terminal(&sandbox, "record disk.img -w -o t.blkr --inspect");
    recording.wait_for("follow: on");
    recording.keys("q");
    recording.wait_for("goes on without the inspector; Ctrl-C ends it");
    recording.wait_for("nbd");
    recording.keys("\x03");
    assert_eq!(recording.finish(), 0);
    let checked = sandbox.blkreplay("check t.blkr").finish();
    checked.succeeds();
}

#[test]
fn record_inspect_needs_a_terminal_and_a_trace_in_a_file() {
    let sandbox = sandbox();
    let refused = sandbox.blkreplay("record disk.img -o t.blkr --inspect -- true").finish();
    refused.ends_with(2).says(&["--inspect needs a terminal", "inspect -F"]);
    let refused = sandbox.blkreplay("record disk.img -o none --inspect -- true").finish();
    refused.ends_with(2).says(&["a trace in a file of its own"]);
    assert!(!sandbox.path("t.blkr").exists());
}

#[test]
fn a_trace_over_standard_input_is_followed_and_can_be_gone_through() {
    let sandbox = sandbox();
    let blkreplay = env!("CARGO_BIN_EXE_blkreplay");
    sandbox.script(
        "piped.sh",
        &format!(
            "{blkreplay} -q record disk.img -w -o - -- sh client.sh 2>/dev/null </dev/null | {blkreplay} inspect -F -\n\
             {blkreplay} inspect - -f write <boot.blkr"
        ),
    );
    let mut piped = terminal_of(&sandbox, "sh piped.sh");
    piped.wait_for("follow: on");
    sandbox.write("part1", b"");
    piped
        .wait_until("its requests", |screen| screen.contains(" write ") && is_last_focused(screen));
    sandbox.write("part2", b"");
    sandbox.write("end", b"");
    piped.wait_for("the recording ended");
    piped.keys("gQ");
    piped.wait_for("of 600");
    assert!(piped.screen().contains("standard input"), "{}", piped.screen());
    piped.keys("Q");
    assert_eq!(piped.finish(), 0);
    assert_eq!(fs::read_dir(sandbox.path("tmp")).unwrap().count(), 0, "nothing is left behind");
}

/// Another program at a terminal.
fn terminal_of(sandbox: &Sandbox, command: &str) -> Terminal {
    let path = std::env::var("PATH").unwrap();
    let temporary = sandbox.path("tmp");
    let environment = [("PATH", path.as_str()), ("TMPDIR", temporary.to_str().unwrap())];
    Terminal::program(sandbox, command, (100, 30), &environment)
}

#[test]
fn one_begins_where_one_wants_and_what_cannot_be_is_told_before_the_screen_is_taken() {
    let sandbox = sandbox();
    let mut inspector =
        terminal(&sandbox, "inspect boot.blkr -f write&&lat>5ms --view latency --at 121");
    inspector.wait_for("1 of 600");
    inspector.wait_for("[3 Lat");
    inspector.keys("1");
    inspector.wait_for("#121 write");
    inspector.keys("anoted\r");
    inspector.wait_for("boot.blkr.notes.toml");
    inspector.keys("Q");
    assert_eq!(inspector.finish(), 0);
    assert!(fs::read_to_string(sandbox.path("boot.blkr.notes.toml")).unwrap().contains("noted"));
    let mut again = terminal(&sandbox, "inspect boot.blkr");
    again.wait_for("as you left it");
    again.wait_for("noted");
    again.keys("Q");
    assert_eq!(again.finish(), 0);
    for (arguments, text) in [
        ("inspect boot.blkr -f wrte", "wrte"),
        ("inspect boot.blkr --at nowhere", "is no place"),
        ("inspect boot.blkr --view nothing", "no such view"),
        ("inspect boot.blkr gone.blkr", "gone.blkr"),
        ("inspect -", "standard input is a terminal"),
    ] {
        let mut terminal = terminal(&sandbox, arguments);
        terminal.wait_for(text);
        assert!(!terminal.raw().contains("\x1b[?1049h"), "{}", terminal.raw());
        assert_eq!(terminal.finish(), 2, "{arguments}");
    }
}

#[test]
fn two_traces_are_gone_through_side_by_side() {
    let sandbox = sandbox();
    sandbox.write("empty.blkr", &story::empty());
    let mut inspector = terminal(&sandbox, "inspect boot.blkr empty.blkr");
    inspector.wait_for("1/2 boot.blkr");
    inspector.keys("X");
    inspector.wait_for("2/2 empty.blkr");
    inspector.wait_for("there are no requests in this trace");
    inspector.keys("X");
    inspector.wait_for("1/2 boot.blkr");
    inspector.keys("Q");
    assert_eq!(inspector.finish(), 0);
}

#[test]
fn without_a_terminal_the_filter_and_the_place_are_those_of_print() {
    let sandbox = sandbox();
    let inspected =
        sandbox.blkreplay("inspect boot.blkr -f err --at #100").finish().succeeds().stdout;
    assert_eq!(inspected, sandbox.printed("boot.blkr -f err --at #100"));
    let refused = sandbox.blkreplay("inspect boot.blkr boot.blkr").finish();
    refused.ends_with(2).says(&["there are several"]);
}

#[test]
fn what_r_copies_replays_from_a_request_on() {
    let sandbox = sandbox();
    for name in ["part1", "part2", "end"] {
        sandbox.write(name, b"");
    }
    sandbox.blkreplay("record disk.img -o t.blkr -- sh client.sh").finish().succeeds();
    sandbox.copy("disk.img", "IMAGE");
    sandbox.blkreplay("replay t.blkr IMAGE --write --until #3").finish().succeeds();
    sandbox.blkreplay("slice t.blkr --from #3 -o from-here.blkr").finish().succeeds();
    sandbox.blkreplay("replay from-here.blkr IMAGE --any-image").finish().succeeds();
}

#[test]
fn what_is_wrong_with_the_configuration_is_told_before_anything_is_recorded() {
    let sandbox = sandbox();
    sandbox.write("blkreplay.toml", b"[inspect]\ntheme = \"pink\"\n");
    let mut recording = terminal(&sandbox, "record disk.img -o t.blkr --inspect -- true");
    recording.wait_for("blkreplay.toml:2");
    assert_eq!(recording.finish(), 2);
    assert!(!sandbox.path("t.blkr").exists());
}
