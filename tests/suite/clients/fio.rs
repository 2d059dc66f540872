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

/// Takes a file out of the page cache.
fn make_cold(sandbox: &Sandbox, name: &str) {
    let file = std::fs::File::open(sandbox.path(name)).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[test]
fn what_the_disk_is_asked_for_is_what_the_page_cache_says_later() {
    for how in ["", "--direct"] {
        let sandbox = Sandbox::new();
        sandbox.solid("disk.img", 9, 16 * MIB);
        sandbox.copy("disk.img", "before.img");
        make_cold(&sandbox, "disk.img");
        // Each block once, so that each is cold; long ones and short ones.
        let fio = "fio --name=job --ioengine=nbd --uri={uri} --output=fio.txt --rw=randrw --bsrange=4k-128k --iodepth=32 \
                   --numjobs=2 --offset_increment=50% --size=50%";
        sandbox
            .blkreplay(&format!("record disk.img -o t.blkr --write {how} -- {fio}"))
            .finish()
            .succeeds();
        let trace = Trace::whole(&sandbox, "t.blkr");
        assert!(trace.failures().is_empty(), "{:?}", trace.failures());
        assert_eq!(trace.bytes("read") + trace.bytes("write"), 16 * MIB);
        // Each read is compared with what was read then.
        assert_replays(&sandbox);
    }
}

#[test]
fn a_read_that_waits_for_the_disk_goes_through_a_ring_and_one_that_does_not_needs_none() {
    let sandbox = Sandbox::new();
    // Its beginning is looked at when it is opened.
    sandbox.solid("disk.img", 9, 4 * MIB);
    // The client holds its connection until somebody has looked.
    let client = sandbox.script(
        "client.sh",
        "qemu-io -r -f raw -c 'read -q 2M 4k' -c 'read -q 3M 4k' -c 'sleep 60000' \"$BLKREPLAY_URI\" >/dev/null &
         for look in $(seq 200); do
             sleep 0.01
             if ls -l /proc/$PPID/fd | grep -q io_uring; then echo ring >found; break; fi
         done
         kill $!",
    );
    for (is_cold, found) in [(true, true), (false, false)] {
        if is_cold {
            make_cold(&sandbox, "disk.img");
        }
        let _ = std::fs::remove_file(sandbox.path("found"));
        let record = sandbox.blkreplay(&format!(
            "record disk.img -o t.blkr --force --fingerprint none -- {client}"
        ));
        record.finish();
        assert_eq!(Trace::whole(&sandbox, "t.blkr").count("read"), 2);
        assert_eq!(sandbox.path("found").exists(), found, "cold: {is_cold}");
    }
}
