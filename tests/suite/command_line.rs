//! What holds for every command: help, streams, exit codes, closed pipes, completions, man pages.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::support::Sandbox;

const COMMANDS: [&str; 12] = [
    "record",
    "replay",
    "print",
    "info",
    "check",
    "recover",
    "compact",
    "mark",
    "demo",
    "help",
    "completions",
    "man",
];

#[test]
fn help_goes_to_standard_output_and_lists_every_command() {
    let sandbox = Sandbox::new();
    let help = sandbox.blkreplay("--help").finish().succeeds();
    assert!(help.stderr.is_empty(), "{help}");
    for command in COMMANDS {
        assert!(help.stdout.contains(&format!("  {command} ")), "{command}: {help}");
        let own = sandbox.blkreplay(&format!("{command} --help")).finish().succeeds();
        assert!(own.stdout.contains("Examples:") && own.stderr.is_empty(), "{own}");
    }
}

#[test]
fn help_tells_what_the_command_itself_tells_and_topics_as_the_book_has_them() {
    let sandbox = Sandbox::new();
    for command in COMMANDS {
        let own = sandbox.blkreplay(&format!("{command} --help")).finish().succeeds();
        let told = sandbox.blkreplay(&format!("help {command}")).finish().succeeds();
        assert_eq!(told.stdout, own.stdout, "{command}");
    }
    let whole = sandbox.blkreplay("--help").finish().succeeds();
    assert_eq!(sandbox.blkreplay("help").finish().succeeds().stdout, whole.stdout);
    let filter = sandbox.blkreplay("help filter").finish().succeeds();
    assert_eq!(filter.stdout, include_str!("../../book/src/reference/filter.md"));
    let nonsense = sandbox.blkreplay("help fliter").finish().ends_with(2);
    nonsense.says(&["no command and no topic called fliter", "hint: blkreplay help filter\n"]);
}

#[test]
fn without_a_command_there_is_a_short_way_in() {
    let greeting = Sandbox::new().blkreplay("").finish().succeeds();
    assert!(greeting.stdout.contains("blkreplay demo"), "{greeting}");
    assert!(greeting.stdout.lines().count() <= 12, "{greeting}");
}

#[test]
fn bad_usage_is_trouble_and_leaves_standard_output_empty() {
    let sandbox = Sandbox::new();
    for line in
        ["nonsense", "--nonsense", "record", "print", "info", "replay", "print t.blkr --format x"]
    {
        let refused = sandbox.blkreplay(line).finish().ends_with(2).says(&["error"]);
        assert!(refused.stdout.is_empty(), "{refused}");
    }
}

#[test]
fn quiet_says_nothing_when_all_is_well() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    let client =
        sandbox.script("client.sh", "qemu-io -r -f raw -c 'read -q 0 4k' \"$BLKREPLAY_URI\"");
    let record = format!("--quiet record disk.img -o t.blkr -- {client}");
    let recorded = sandbox.blkreplay(&record).finish().succeeds();
    assert_eq!((recorded.stdout.as_str(), recorded.stderr.as_str()), ("", ""));
    let replayed = sandbox.blkreplay("-q replay t.blkr disk.img").finish().succeeds();
    assert_eq!((replayed.stdout.as_str(), replayed.stderr.as_str()), ("", ""));
    let replayed = sandbox.blkreplay("--log quiet replay t.blkr disk.img").finish().succeeds();
    assert_eq!((replayed.stdout.as_str(), replayed.stderr.as_str()), ("", ""));
}

#[test]
fn the_environment_says_how_much_is_said_unless_an_option_does() {
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    for (level, option, said) in [
        ("quiet", "", &["warning"][..]),
        ("normal", "", &["warning", "served"]),
        ("verbose", "", &["warning", "served", "serving"]),
        ("quiet", "-v ", &["warning", "served", "serving"]),
    ] {
        let line =
            format!("BLKREPLAY_LOG={level} '{program}' {option}record disk.img -o none -- true");
        let finished =
            sandbox.tool("sh").args(["-c", line.as_str()]).finish().succeeds().says(said);
        for word in ["served", "serving"] {
            assert_eq!(finished.stderr.contains(word), said.contains(&word), "{finished}");
        }
    }
    let line = format!("BLKREPLAY_LOG=loud '{program}' info t.blkr");
    sandbox.tool("sh").args(["-c", line.as_str()]).finish().ends_with(2).says(&["loud", "quiet"]);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 1, 8 << 20);
    let fio = "--name=job --ioengine=nbd --uri={uri} --rw=read --bs=4k --size=8M --output=fio.txt";
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- fio {fio}")).finish().succeeds();
    for command in ["print t.blkr", "print t.blkr --json", "print t.blkr --events"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_blkreplay"))
            .args(command.split(' '))
            .current_dir(sandbox.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.status.signal()), (Some(0), None), "{command}");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.blkreplay(&format!("completions {shell}")).finish().succeeds().stdout;
        assert!(COMMANDS.iter().all(|command| script.contains(command)), "{shell}");
    }
    sandbox.blkreplay("man pages").finish().succeeds();
    for command in COMMANDS {
        let page =
            String::from_utf8(sandbox.read(&format!("pages/blkreplay-{command}.1"))).unwrap();
        assert!(page.contains("Exit codes"), "{command}");
    }
}

#[test]
fn completions_and_man_pages_name_every_option_of_replay() {
    let sandbox = Sandbox::new();
    let help = sandbox.blkreplay("replay --help").finish().succeeds().stdout;
    let words = help.split(|c: char| c.is_whitespace() || c == ',');
    let ours = words.take_while(|word| *word != "Global");
    let options: BTreeSet<&str> =
        ours.filter_map(|word| word.strip_prefix("--")).filter(|word| !word.is_empty()).collect();
    assert!(options.len() > 18, "{options:?}");
    sandbox.blkreplay("man pages").finish().succeeds();
    let page =
        String::from_utf8(sandbox.read("pages/blkreplay-replay.1")).unwrap().replace('\\', "");
    for option in &options {
        assert!(page.contains(&format!("--{option}")), "the page has no --{option}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.blkreplay(&format!("completions {shell}")).finish().succeeds().stdout;
        for option in &options {
            let name = if shell == "fish" { format!("-l {option}") } else { format!("--{option}") };
            assert!(script.contains(&name), "{shell} does not complete --{option}");
        }
    }
}

#[test]
fn serving_without_recording_leaves_no_trace() {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 2, 1 << 20);
    sandbox.blkreplay("record disk.img -o none -- nbdcopy {uri} out.img").finish().succeeds();
    sandbox.assert_same("disk.img", "out.img");
    assert!(!sandbox.path("none").exists());
}
