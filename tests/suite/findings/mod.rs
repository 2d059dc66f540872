//! `check --findings`: what is found in recordings that were made to have it, and what it does to the exit code.

/// Traces that are cut or damaged.
mod damaged;
/// Disks that are slow or fail.
mod disks;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Finished, Sandbox};

/// A recording of these commands of qemu-io's.
fn recorded(commands: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.solid("disk.img", 7, 1 << 20);
    let client = sandbox.script(
        "client.sh",
        &format!("qemu-io -t writeback -f raw {commands} \"$BLKREPLAY_URI\" >said 2>&1 || true"),
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {client}")).finish().succeeds();
    sandbox
}

fn check(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(&format!("check t.blkr {words}")).finish()
}

/// The codes that are found, each once.
fn codes(sandbox: &Sandbox) -> Vec<String> {
    let checked = check(sandbox, "--findings --json").ends_with_one_of(&[0, 1]);
    let last: Value = serde_json::from_str(checked.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["schema"], "blkreplay.findings/1");
    last["codes"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn what_a_client_does_in_vain_is_found_and_fails_where_that_is_asked() {
    let sandbox =
        recorded("-c 'write -q 0 4k' -c 'write -q 0 4k' -c 'write -q 0 4k' -c flush -c flush");
    let found = codes(&sandbox);
    assert!(found.contains(&"f5".to_owned()) && found.contains(&"f6".to_owned()), "{found:?}");
    check(&sandbox, "--findings").succeeds();
    check(&sandbox, "--fail-on error").succeeds();
    check(&sandbox, "--fail-on warn").succeeds();
    let failed = check(&sandbox, "--fail-on info").ends_with(1);
    assert!(failed.stdout.contains("finding f6 info rewritten  #"), "{failed}");
    let unchanged = check(&sandbox, "").succeeds();
    assert_eq!(unchanged.stdout.lines().count(), 1, "{unchanged}");
    check(&sandbox, "--all").ends_with(2).says(&["none are asked for"]);
}

#[test]
fn a_write_beside_the_blocks_of_the_device_is_a_warning() {
    let sandbox = recorded("-c 'write -q 512 512'");
    assert!(codes(&sandbox).contains(&"f7".to_owned()));
    check(&sandbox, "--fail-on error").succeeds();
    check(&sandbox, "--fail-on warn").ends_with(1);
}

#[test]
fn a_client_that_does_nothing_in_vain_has_no_findings() {
    let sandbox = recorded("-c 'read -q 0 4k'");
    check(&sandbox, "--fail-on warn").succeeds();
    let found = codes(&sandbox);
    assert!(found.iter().all(|code| code == "f9"), "but for a slow machine: {found:?}");
}

/// The objects of all findings in `t.blkr`, and that of their numbers.
#[track_caller]
fn objects(sandbox: &Sandbox) -> (Vec<Value>, Value) {
    let checked = check(sandbox, "--findings --all --json").ends_with_one_of(&[0, 1]);
    let mut objects: Vec<Value> =
        checked.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.remove(0)["schema"], "blkreplay.check/1", "{checked}");
    let sums = objects.pop().unwrap();
    assert_eq!(sums["schema"], "blkreplay.findings/1", "{checked}");
    assert!(objects.iter().all(|one| one["schema"] == "blkreplay.finding/1"), "{checked}");
    (objects, sums)
}

/// Names and requests.
fn brief(findings: &[Value]) -> BTreeSet<(String, Option<u64>)> {
    let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
    findings.iter().map(|one| (name(one), one["id"].as_u64())).collect()
}

#[test]
fn what_is_told_behind_the_check_is_what_a_walk_of_its_own_tells() {
    let sandbox = recorded("-c 'write -q 512 512' -c 'write -q 1k 512' -c flush -c flush");
    let first = check(&sandbox, "--findings").succeeds();
    let all = check(&sandbox, "--findings --all").succeeds();
    assert_eq!(first.stdout, all.stdout);
    assert!(first.stdout.starts_with("t.blkr  ok  "), "{first}");
    let json = check(&sandbox, "--findings --json").succeeds();
    assert_eq!(json.stdout, check(&sandbox, "--findings --json --all").succeeds().stdout);
    assert_eq!(json.stdout.lines().count(), objects(&sandbox).0.len() + 2, "{json}");
}
