//! `diff`: two recordings of the same work are the same, of other work different, and what cannot be compared is trouble.
//! Reports in JSON, JUnit and HTML are read by readers of somebody else.

/// `bless`, `test` and `review`.
mod accepting;
/// What a CI server sees: annotations, summaries, the action.
mod ci;
/// Two folders of traces.
mod folders;
/// Text, JSON, JUnit, HTML: what stands in them.
mod forms;
/// Logs of QEMU.
mod logs;
/// Recordings of real clients, with and without something changed.
mod real;
/// The recipe for `cargo test`.
mod recipe;
/// Rules, budgets and the file that has them.
mod rules;
/// Canonical text on either side.
mod texts;
/// What cannot be compared.
mod troubles;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Finished, Sandbox};

const MIB: u64 = 1 << 20;

/// What a client does to a disk: two epochs that are complete, and one that is not.
const WORK: &str = "-c 'write -q -P 1 0 4k' -c 'write -q -P 2 8k 4k' -c flush \
                    -c 'write -q -P 3 16k 4k' -c 'write -q -f -P 4 1M 64k' -c flush -c 'read -q 16k 4k'";

/// Records what `qemu-io` with these words does to a disk.
#[track_caller]
fn record(sandbox: &Sandbox, trace: &str, words: &str) {
    sandbox.blank("disk.img", 4 * MIB);
    let io = format!("qemu-io -t writeback -f raw {words} \"$BLKREPLAY_URI\" >>said");
    let client = sandbox.script("client.sh", &io);
    let record = format!("record disk.img -o {trace} --payload all -- {client}");
    sandbox.blkreplay(&record).finish().succeeds();
}

/// `base.blkr` with [`WORK`] in it, and `new.blkr` with the same, in which `from` is replaced by `to`.
#[track_caller]
fn pair(from: &str, to: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    record(&sandbox, "base.blkr", WORK);
    let changed = WORK.replace(from, to);
    assert!(from.is_empty() || changed != WORK, "{from:?} is there");
    record(&sandbox, "new.blkr", &changed);
    sandbox
}

/// `diff base.blkr new.blkr` with more words.
fn diff(sandbox: &Sandbox, words: &str) -> Finished {
    sandbox.blkreplay(&format!("diff base.blkr new.blkr {words}")).finish()
}

/// What the report in JSON says, which fits its schema.
#[track_caller]
fn report(sandbox: &Sandbox, words: &str, code: i32) -> Value {
    let told = diff(sandbox, &format!("{words} --format json")).ends_with(code);
    sandbox.write("report.json", told.stdout.as_bytes());
    let value: Value = serde_json::from_str(&told.stdout).unwrap();
    let verdict = value["verdict"].as_str().unwrap().to_owned();
    assert_eq!(read_report(sandbox, "json", "report.json"), format!("{verdict} {code}\n"));
    value
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What another reader takes from a report.
#[track_caller]
fn read_report(sandbox: &Sandbox, format: &str, file: &str) -> String {
    let script = repository().join("tests/report_reader.py");
    let schema = repository().join("book/src/reference/diff-1.schema.json");
    let mut words = vec!["-B".into(), script, format.into()];
    words.extend((format == "json").then_some(schema));
    words.push(file.into());
    sandbox.tool(python(sandbox)).args(words).finish().succeeds().stdout
}

/// A Python that has the module jsonschema: the one in the search path, or that of the system.
fn python(sandbox: &Sandbox) -> &'static str {
    let has_module = |python: &&str| {
        let probe = sandbox.tool(python).args(["-c", "import jsonschema"]).finish();
        probe.ends_with_one_of(&[0, 1]).stderr.is_empty()
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_module);
    found.expect("no Python here has the module jsonschema: run tests/run.sh, which installs it")
}
