//! `fio`, which checks what it reads, deep queues and several jobs.

use crate::clients::assert_replays;
use crate::support::Sandbox;
use crate::trace::Trace;

const MIB: u64 = 1 << 20;

/// Records fio with `options` on a blank disk; fio's own report is in `fio.json`.
fn record(sandbox: &Sandbox, size: u64, options: &str) -> (Trace, serde_json::Value) {
    sandbox.blank("disk.img", size);
    sandbox.blank("before.img", size);
    sandbox
        .blkreplay(&format!(
            "record disk.img -o t.blkr --write -- fio --name=job --ioengine=nbd --uri={{uri}} \
             --output-format=json --output=fio.json --group_reporting {options}"
        ))
        .finish()
        .succeeds();
    let trace = Trace::whole(sandbox, "t.blkr");
    assert!(trace.failures().is_empty(), "{:?}", trace.failures());
    let report = String::from_utf8(sandbox.read("fio.json")).unwrap();
    let report = report.find('{').map(|start| &report[start..]).unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["jobs"][0]["error"], 0, "{report}");
    (trace, report)
}

fn ios(report: &serde_json::Value, direction: &str) -> u64 {
    report["jobs"][0][direction]["total_ios"].as_u64().unwrap()
}

#[test]
fn random_writes_that_fio_verifies_are_all_recorded() {
    let sandbox = Sandbox::new();
    let options = "--rw=randwrite --bs=4k --iodepth=32 --size=16M --verify=crc32c --verify_fatal=1";
    let (trace, report) = record(&sandbox, 16 * MIB, options);
    assert_eq!(trace.count("write"), ios(&report, "write"));
    assert_eq!(trace.bytes("write"), 16 * MIB, "each block once");
    assert_eq!(trace.count("read"), ios(&report, "read"), "each block is read back");
    assert_eq!(trace.bytes("read"), 16 * MIB);
    assert_replays(&sandbox);
}

#[test]
fn random_reads_and_writes_at_depth_32_are_all_recorded() {
    let sandbox = Sandbox::new();
    let options = "--rw=randrw --bs=4k --iodepth=32 --size=16M --verify=crc32c --verify_fatal=1";
    let (trace, report) = record(&sandbox, 16 * MIB, options);
    assert_eq!(trace.count("write"), ios(&report, "write"));
    assert_eq!(trace.count("read"), ios(&report, "read"));
    assert_replays(&sandbox);
}

#[test]
fn four_jobs_on_a_quarter_each_are_all_recorded() {
    let sandbox = Sandbox::new();
    let options = "--rw=randrw --bs=4k --iodepth=32 --verify=crc32c --verify_fatal=1 \
                   --numjobs=4 --offset_increment=25% --size=25%";
    let (trace, report) = record(&sandbox, 32 * MIB, options);
    assert_eq!(trace.count("write"), ios(&report, "write"));
    assert_eq!(trace.count("read"), ios(&report, "read"));
    assert_eq!(trace.connections("write").len(), 4, "a connection a job");
    assert_replays(&sandbox);
}

#[test]
fn writes_and_discards_that_follow_each_other_are_all_recorded() {
    let sandbox = Sandbox::new();
    let options = "--rw=randtrimwrite --bs=4k --iodepth=16 --size=4M";
    let (trace, report) = record(&sandbox, 4 * MIB, options);
    assert_eq!(trace.count("write"), ios(&report, "write"));
    assert_eq!(trace.count("discard"), ios(&report, "trim"));
    assert_replays(&sandbox);
}
