//! `compact`: what comes out says what went in, and nothing is left behind when nothing comes out.

use std::fs;
use std::os::unix::fs::symlink;

use blkreplay_core::format::Layout;
use blkreplay_fixtures::{bytes, kernel, native};
use rustix::process::Signal;

use crate::support::{Sandbox, wait_for};

/// The files in the sandbox, but for the directories that every one has.
fn files(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> =
        files.map(|file| file.file_name().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_compacted_trace_prints_as_the_original() {
    for fixture in ["native/operations.blkr", "native/two-devices.blkr"] {
        let sandbox = Sandbox::holding(fixture);
        sandbox.blkreplay("compact t.blkr -o small.blkr").finish().succeeds().says(&[
            "wrote",
            "small.blkr",
            "bytes a request",
        ]);
        sandbox.blkreplay("check small.blkr").finish().succeeds();
        for options in ["", "--json", "--events", "--events --json", "--format canonical"] {
            let same = sandbox.printed(&format!("small.blkr {options}"));
            assert_eq!(same, sandbox.printed(&format!("t.blkr {options}")), "{fixture} {options}");
        }
    }
}

#[test]
fn a_compacted_trace_is_smaller_and_compacting_it_again_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("t.blkr", &native::long(20_000));
    sandbox.blkreplay("compact t.blkr -o one.blkr").finish().succeeds();
    sandbox.blkreplay("compact one.blkr -o two.blkr").finish().succeeds();
    sandbox.blkreplay("compact one.blkr -o harder.blkr --level 19").finish().succeeds();
    let size = |name| sandbox.read(name).len();
    assert!(size("one.blkr") * 10 < size("t.blkr"), "these requests are regular");
    assert_eq!(size("two.blkr"), size("one.blkr"));
    assert!(size("harder.blkr") <= size("one.blkr"));
    assert_eq!(sandbox.printed("two.blkr --json"), sandbox.printed("t.blkr --json"));
}

#[test]
fn a_compacted_recording_replays_with_its_data() {
    let sandbox = Sandbox::new();
    sandbox.blank("disk.img", 1 << 20);
    sandbox.blank("copy.img", 1 << 20);
    let script = sandbox.script(
        "client.sh",
        "qemu-io -f raw -c 'write -q -P 1 0 64k' -c 'write -q -P 2 64k 64k' -c 'write -q -P 1 128k 64k' \
         -c 'read -q -P 2 64k 64k' -c 'flush' \"$BLKREPLAY_URI\"",
    );
    sandbox
        .blkreplay(&format!("record disk.img -o t.blkr --write -- {script}"))
        .finish()
        .succeeds();
    sandbox.blkreplay("compact t.blkr -o small.blkr").finish().succeeds();
    sandbox.blkreplay("replay small.blkr copy.img --write").finish().succeeds();
    sandbox.assert_same("copy.img", "disk.img");
    let info = sandbox.blkreplay("info small.blkr --parts --json").finish().succeeds().stdout;
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let parts = info["parts"].as_array().unwrap();
    let total: u64 = parts.iter().map(|part| part["bytes"].as_u64().unwrap()).sum();
    assert_eq!(total, info["file_bytes"].as_u64().unwrap(), "the parts add up: {info}");
    assert!(parts.iter().any(|part| part["name"] == "events"), "{info}");
    let columns = info["columns"].as_array().unwrap();
    assert!(columns.iter().any(|column| column["name"] == "issue time"), "{info}");
}

#[test]
fn a_trace_is_compacted_out_of_a_pipe() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let script =
        sandbox.script("pipe.sh", &format!("cat t.blkr | {program} compact - -o small.blkr"));
    let words: Vec<&str> = script.split(' ').collect();
    sandbox.tool(words[0]).args(&words[1..]).finish().succeeds();
    assert_eq!(sandbox.printed("small.blkr"), sandbox.printed("t.blkr"));
}

#[test]
fn a_trace_that_is_not_whole_is_refused_and_nothing_is_left() {
    let sandbox = Sandbox::holding("native/cut.blkr");
    let refused = sandbox.blkreplay("compact t.blkr -o small.blkr").finish().ends_with(3);
    refused.says(&["error", "not whole", "hint: blkreplay recover t.blkr"]);
    assert_eq!(files(&sandbox), ["t.blkr"]);
}

#[test]
fn damage_inside_a_body_is_found_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let mut trace = native::long(20_000);
    let middle = trace.len() / 2;
    trace[middle] ^= 1;
    sandbox.write("t.blkr", &trace);
    sandbox.blkreplay("compact t.blkr -o small.blkr").finish().ends_with(3).says(&["checksum"]);
    assert_eq!(files(&sandbox), ["t.blkr"]);
}

#[test]
fn an_output_that_is_the_input_or_exists_is_refused() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    symlink("t.blkr", sandbox.path("link.blkr")).unwrap();
    for output in ["t.blkr", "./t.blkr", "link.blkr"] {
        let same = sandbox.blkreplay(&format!("compact t.blkr -o {output} --force")).finish();
        same.ends_with(2).says(&["error", "the trace itself", "hint"]);
    }
    assert_eq!(sandbox.read("t.blkr"), bytes("native/operations.blkr"));
    sandbox.write("small.blkr", b"precious");
    let refused = sandbox.blkreplay("compact t.blkr -o small.blkr").finish();
    refused.ends_with(2).says(&["it exists", "--force"]);
    assert_eq!(sandbox.read("small.blkr"), b"precious");
    sandbox.blkreplay("compact t.blkr -o small.blkr --force").finish().succeeds();
    assert_eq!(sandbox.printed("small.blkr"), sandbox.printed("t.blkr"));
    sandbox.blkreplay("compact t.blkr -o nowhere/small.blkr").finish().ends_with(2);
    sandbox.blkreplay("compact t.blkr -o -").finish().ends_with(2).says(&["standard output"]);
    let device = sandbox.blkreplay("compact t.blkr -o tmp --force").finish();
    device.ends_with(2).says(&["not a regular file"]);
    sandbox.blkreplay("compact t.blkr -o other.blkr --level 23").finish().ends_with(2);
    assert_eq!(files(&sandbox), ["small.blkr", "t.blkr"]);
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    sandbox.write("t.blkr", &kernel::ext4(200, Layout::Rows));
    let mut running = sandbox.blkreplay("compact t.blkr -o small.blkr --level 22").start();
    wait_for("the output to be begun", || (files(&sandbox).len() == 2).then_some(()));
    running.signal(Signal::INT);
    running.finish().ends_with(130).says(&["interrupted"]);
    assert_eq!(files(&sandbox), ["t.blkr"]);
}
