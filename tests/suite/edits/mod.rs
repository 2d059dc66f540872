//! Traces made of traces: parts of them, several together, and some without names; and what is refused to become one.

/// `anonymize`: what is kept, and that nothing else can be found.
mod anonymizing;
/// `merge`: devices beside each other.
mod merging;
/// `slice`: parts by position, filter and device.
mod slicing;

use std::fs;

use blkreplay_fixtures::{bytes, native};

use crate::second_reader;
use crate::support::Sandbox;

pub(super) const MIB: u64 = 1 << 20;

/// The values of one member of all requests of a trace.
fn members(sandbox: &Sandbox, trace: &str, name: &str) -> Vec<serde_json::Value> {
    let lines = sandbox.printed(&format!("{trace} --json"));
    let object = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
    lines.lines().map(|line| object(line)[name].clone()).collect()
}

fn ids(sandbox: &Sandbox, trace: &str) -> Vec<u64> {
    members(sandbox, trace, "id").iter().map(|id| id.as_u64().unwrap()).collect()
}

fn info(sandbox: &Sandbox, trace: &str) -> serde_json::Value {
    let info = sandbox.blkreplay(&format!("info {trace} --json")).finish().succeeds();
    serde_json::from_str(&info.stdout).unwrap()
}

/// Asserts that a trace is whole in every way, also to the second reader.
#[track_caller]
fn assert_sound(sandbox: &Sandbox, trace: &str) {
    sandbox.blkreplay(&format!("check --deep {trace}")).finish().succeeds();
    second_reader::assert_agrees(sandbox, trace);
}

/// The files in the sandbox.
fn files(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    let mut names: Vec<_> =
        files.map(|file| file.file_name().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// Records a client that writes, marks, flushes and reads, as `t.blkr` of `disk.img`.
fn record(sandbox: &Sandbox) {
    sandbox.solid("disk.img", 7, MIB);
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let script = sandbox.script(
        "client.sh",
        &format!(
            "io() {{ qemu-io -f raw -t writeback \"$@\" \"$BLKREPLAY_URI\"; }}\n\
             io -c 'write -q -P 1 0 64k' -c 'write -q -P 2 64k 64k' -c flush\n\
             '{program}' mark 'secret plan'\n\
             io -c 'read -q -P 1 0 64k' -c 'write -q -P 3 0 4k' -c 'write -q -z 128k 64k' -c flush\n\
             '{program}' mark after\n\
             io -c 'read -q -P 3 0 4k' -c 'read -q 512k 4k'"
        ),
    );
    let record = format!("record disk.img -o t.blkr --payload all -- {script}");
    sandbox.blkreplay(&record).finish().succeeds();
}

#[test]
fn every_native_trace_can_be_cut_joined_and_anonymized() {
    for (name, _) in native::TRACES.into_iter().filter(|(name, _)| !name.contains("cut")) {
        let sandbox = Sandbox::holding(name);
        sandbox.write("more.blkr", &bytes("native/two-devices.blkr"));
        for command in [
            "slice t.blkr --from event:0",
            "slice t.blkr --from event:3 --to event:9",
            "slice t.blkr -f id>=2",
            "merge t.blkr more.blkr",
            "anonymize t.blkr --map-offsets=4k",
        ] {
            // It has completions of requests that are known by number only.
            let refused = name.contains("guest-blocks") && command.starts_with("merge");
            let code = if refused { 2 } else { 0 };
            sandbox.blkreplay(&format!("{command} -o new.blkr --force")).finish().ends_with(code);
            if !refused {
                assert_sound(&sandbox, "new.blkr");
            }
        }
    }
}

/// What every one of the commands refuses before it reads, of an output.
#[track_caller]
fn assert_refuses_outputs(command: &str, inputs: &str) {
    let sandbox = Sandbox::holding("native/operations.blkr");
    std::os::unix::fs::symlink("t.blkr", sandbox.path("link.blkr")).unwrap();
    let run = |rest: &str| sandbox.blkreplay(&format!("{command} {inputs} {rest}")).finish();
    for output in ["t.blkr", "./t.blkr", "link.blkr"] {
        run(&format!("-o {output} --force")).ends_with(2).says(&["a trace that is read", "hint"]);
    }
    assert_eq!(sandbox.read("t.blkr"), bytes("native/operations.blkr"));
    sandbox.write("new.blkr", b"precious");
    run("-o new.blkr").ends_with(2).says(&["it exists", "--force"]);
    assert_eq!(sandbox.read("new.blkr"), b"precious");
    run("-o new.blkr --force").succeeds();
    run("-o nowhere/new.blkr").ends_with(2).says(&["cannot create"]);
    run("-o tmp --force").ends_with(2).says(&["not a regular file"]);
    run("").ends_with(2).says(&["--output"]);
    assert_eq!(files(&sandbox), ["new.blkr", "t.blkr"]);
}

/// What every one of the commands refuses to read.
#[track_caller]
fn assert_refuses_inputs(command: &str, more: &str) {
    let sandbox = Sandbox::holding("native/cut.blkr");
    let run =
        |input: &str| sandbox.blkreplay(&format!("{command} {input} {more} -o new.blkr")).finish();
    let cut = run("t.blkr").ends_with(3);
    cut.says(&["error", "not whole", "hint: blkreplay recover t.blkr"]);
    run("missing.blkr").ends_with(2).says(&["cannot open missing.blkr"]);
    let log = crate::qemu_logs::log("qemu/logs/q100-boot_a.rr.zst");
    sandbox.write("vm.rr", &log);
    run("vm.rr").ends_with(2).says(&["a log of QEMU's record/replay", "hint: blkreplay print"]);
    assert_eq!(files(&sandbox), ["t.blkr", "vm.rr"]);
}
