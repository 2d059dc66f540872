//! QEMU logs have no requests but their numbers: their events are counted, and what is missing is named.

use serde_json::Value;

use crate::stats::recorded;
use crate::support::Sandbox;

fn with_logs() -> Sandbox {
    let sandbox = Sandbox::new();
    let log = crate::qemu_logs::log("qemu/logs/q100-boot_a.rr.zst");
    sandbox.write("vm.rr", &log);
    sandbox.write("cut.rr", &log[..7645]);
    sandbox
}

#[test]
fn events_are_counted_as_info_counts_them() {
    let sandbox = with_logs();
    let told = sandbox.blkreplay("stats vm.rr --json").finish().succeeds();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    let info = sandbox.blkreplay("info vm.rr --json").finish().succeeds();
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    assert_eq!(told["schema"], "blkreplay.stats/1");
    for field in ["format", "complete", "events", "icount", "completions", "overtaken", "kinds"] {
        assert!(!told[field].is_null(), "{field}");
        assert_eq!(told[field], info[field], "{field}");
    }
    let ends = ["last", "first"].map(|end| info[end]["icount"].as_u64().unwrap());
    assert_eq!(told["icount_span"], ends[0] - ends[1]);
}

#[test]
fn what_a_log_does_not_have_is_named() {
    let sandbox = with_logs();
    let told = sandbox.blkreplay("stats vm.rr").finish().succeeds();
    assert!(told.stdout.starts_with("vm.rr  QEMU log  "), "{told}");
    let unknown = "unknown     operations, offsets, lengths, data, times, results, epochs: a QEMU log does not have them";
    assert!(told.stdout.contains(unknown), "{told}");
    assert!(told.stdout.contains("instructions from the first to the last"), "{told}");
}

#[test]
fn a_log_that_is_cut_is_counted_as_far_as_it_goes() {
    let sandbox = with_logs();
    let told = sandbox.blkreplay("stats cut.rr").finish().ends_with(3);
    assert!(told.stdout.starts_with("cut.rr  QEMU log  NOT WHOLE  "), "{told}");
    assert!(told.stderr.contains("hint"), "{told}");
}

#[test]
fn what_asks_about_requests_is_refused_of_a_log() {
    let sandbox = with_logs();
    for (words, option) in [("-f write", "--filter"), ("--by op", "--by")] {
        let refused = sandbox.blkreplay(&format!("stats vm.rr {words}")).finish().ends_with(2);
        refused.says(&[&format!("{option} is about requests, and vm.rr is a QEMU log")]);
    }
    let both = recorded();
    both.write("vm.rr", &crate::qemu_logs::log("qemu/logs/q100-boot_a.rr.zst"));
    let told = both.blkreplay("stats vm.rr t.blkr").finish().succeeds();
    assert!(told.stdout.starts_with("vm.rr  QEMU log"), "{told}");
    assert!(told.stdout.contains("\n\nt.blkr  "), "{told}");
}
