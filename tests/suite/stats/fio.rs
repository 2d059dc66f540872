//! fio reports what it did: counts and bytes must be the same, and no latency of ours above its own.
//!
//! The latency that is compared lies within fio's: a request arrives after fio has begun to send it, and its completion is logged
//! before fio can have it, on the same clock. So the number at each rank is at most fio's. Both round: fio's percentile is the
//! middle of a bucket a sixty-fourth wide, ours is up to a thousandth above the exact one.

use serde_json::Value;

use crate::stats::stats;
use crate::support::Sandbox;
use crate::trace::Trace;

const SIZE: u64 = 8 << 20;

/// Records fio at this depth; gives its own report on its only job.
#[track_caller]
fn recorded(sandbox: &Sandbox, depth: u32) -> Value {
    sandbox.blank("disk.img", SIZE);
    let fio = format!(
        "fio --name=job --ioengine=nbd --uri={{uri}} --rw=randrw --bsrange=4k-16k --fsync=32 --size={SIZE} \
         --iodepth={depth} --clocksource=clock_gettime --clat_percentiles=0 --lat_percentiles=1 \
         --output-format=json+ --output=fio.json"
    );
    sandbox.blkreplay(&format!("record disk.img -o t.blkr -- {fio}")).finish().succeeds();
    let report = String::from_utf8(sandbox.read("fio.json")).unwrap();
    let report = report.find('{').map(|start| &report[start..]).unwrap();
    let mut report: Value = serde_json::from_str(report).unwrap();
    assert_eq!(report["jobs"][0]["error"], 0, "{report}");
    report["jobs"][0].take()
}

#[track_caller]
fn check(depth: u32) {
    let sandbox = Sandbox::new();
    let report = recorded(&sandbox, depth);
    let told = stats(&sandbox, &[]);
    let operations = &told["operations"];
    for direction in ["read", "write"] {
        let (own, its) = (&operations[direction], &report[direction]);
        assert!(its["total_ios"].as_u64().unwrap() > 100, "{its}");
        assert_eq!(own["requests"], its["total_ios"], "{direction}");
        assert_eq!(own["bytes"], its["io_bytes"], "{direction}");
        assert_eq!(own["bytes_done"], its["io_bytes"], "{direction}");
        assert_eq!(its["lat_ns"]["N"], own["requests"]);
        for (name, percent) in [
            ("p50", "50.000000"),
            ("p90", "90.000000"),
            ("p99", "99.000000"),
            ("p999", "99.900000"),
        ] {
            let its = its["lat_ns"]["percentile"][percent].as_u64().unwrap();
            let most = its + its / 64 + 1;
            for latency in ["latency", "total"] {
                let own = own[latency][name].as_u64().unwrap();
                assert!(
                    own <= most + most / 1000 + 1,
                    "{direction} {latency} {name}: {own} > {its}"
                );
            }
        }
        let (own, its) = (&own["total"], &its["lat_ns"]);
        for end in ["min", "max"] {
            assert!(own[end].as_u64() <= its[end].as_u64(), "{direction} {end}: {own} {its}");
        }
    }
    assert_eq!(operations["flush"]["requests"], report["sync"]["total_ios"]);
    let trace = Trace::whole(&sandbox, "t.blkr");
    assert_eq!(told["requests"], trace.rows.len());
    let deepest = told["depth"]["max"].as_u64().unwrap();
    assert!((1..=u64::from(depth)).contains(&deepest), "{deepest}");
    assert_eq!(told["touched"]["either"], SIZE, "fio goes to every block once");
}

#[test]
fn fio_at_depth_one_did_what_stats_says() {
    check(1);
}

#[test]
fn fio_at_depth_sixteen_did_what_stats_says() {
    check(16);
}
