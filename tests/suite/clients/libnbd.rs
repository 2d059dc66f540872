//! Corner cases of the protocol, one by one, by libnbd's Python bindings: the scripts of `libnbd/`, a function a case.
//!
//! Each case says what it asked, request by request, and what came of it. Invariant: the trace says the same, and what it
//! says makes the same image again.

use std::path::PathBuf;

use serde_json::Value;

use crate::support::Sandbox;
use crate::trace::rows;

const MIB: u64 = 1 << 20;

/// The system's own, which has the modules that Debian's packages bring.
const PYTHON: &str = "/usr/bin/python3";

fn script() -> String {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/suite/clients/libnbd/run.py"));
    path.canonicalize().unwrap().display().to_string()
}

/// The cases of a group with the options that they are recorded with.
fn cases(group: &str) -> Vec<(String, String)> {
    let sandbox = Sandbox::new();
    let listed = sandbox.tool(PYTHON).args(["-B", &script(), "--list"]).finish().succeeds().stdout;
    let all = listed.lines().map(|line| {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap(), words.next().unwrap())
    });
    all.filter(|(of, ..)| of == group).map(|(_, name, options)| (name, options)).collect()
}

/// Does one case, and says why it failed.
fn run(case: &str, options: &str) -> Result<(), String> {
    let sandbox = Sandbox::new();
    for (name, size) in [("disk", 96 * MIB), ("two", MIB)] {
        sandbox.blank(&format!("{name}.img"), size);
        sandbox.blank(&format!("before-{name}.img"), size);
    }
    let record = format!("record disk.img two.img -o t.blkr {options}");
    let client = ["--", PYTHON, "-B", &script(), case];
    let recorded = sandbox.blkreplay(&record).args(client).finish();
    if recorded.code() != Some(0) {
        return Err(recorded.to_string());
    }
    let printed = sandbox.blkreplay("print t.blkr --json").finish().succeeds().stdout;
    let recorded: Vec<String> = rows(&printed)
        .iter()
        .map(|row| {
            format!(
                "{} {} {}+{} {:?} {:?}",
                row.dev, row.op, row.off, row.len, row.flags, row.result
            )
        })
        .collect();
    let asked = String::from_utf8(sandbox.read("asked.json")).unwrap();
    let asked: Vec<String> = asked.lines().map(in_our_words).collect();
    let places = 0..recorded.len().max(asked.len());
    if let Some(place) = places.into_iter().find(|place| recorded.get(*place) != asked.get(*place))
    {
        let (asked, recorded) = (asked.get(place), recorded.get(place));
        return Err(format!("request {place} was asked as {asked:?} and recorded as {recorded:?}"));
    }
    let replay = "replay t.blkr before-disk.img before-two.img --write";
    sandbox.blkreplay(replay).finish().succeeds();
    for name in ["disk", "two"] {
        sandbox.assert_same(&format!("before-{name}.img"), &format!("{name}.img"));
    }
    Ok(())
}

/// A line of `asked.json` as requests are shown here.
fn in_our_words(line: &str) -> String {
    let asked: Value = serde_json::from_str(line).unwrap();
    let word = |name: &str| asked[name].as_str().unwrap().to_owned();
    let flags: Vec<String> = serde_json::from_value(asked["flags"].clone()).unwrap();
    let result = Some(word("result"));
    let (off, len) = (&asked["off"], &asked["len"]);
    format!("{} {} {off}+{len} {flags:?} {result:?}", word("dev"), word("op"))
}

/// Does all cases of a group, and names those that failed.
#[track_caller]
fn check(group: &str, at_least: usize) {
    let cases = cases(group);
    assert!(cases.len() >= at_least, "there are more: {cases:?}");
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|(name, options)| Some(format!("{name}: {}", run(name, options).err()?)))
        .collect();
    assert!(failed.is_empty(), "{} of {} failed\n{}", failed.len(), cases.len(), failed.join("\n"));
}

#[test]
fn what_a_client_may_agree_on_is_agreed_on() {
    check("handshake", 13);
}

#[test]
fn what_a_client_may_ask_is_done_and_the_rest_is_refused_and_all_of_it_recorded() {
    check("requests", 15);
}

#[test]
fn clients_find_us_in_every_way() {
    check("ways", 4);
}
