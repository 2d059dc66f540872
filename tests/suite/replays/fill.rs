//! `--fill`: data that the trace does not have. Invariant: what was made up is never called the same.

use crate::replays::{CHANGES, READS_OF_IMAGE, READS_OF_WRITES, assert_holds, json, recorded_with};

/// How many writes the client makes; the last change is a discard.
const WRITES: u64 = CHANGES.len() as u64 - 1;

#[test]
fn a_write_without_data_is_refused_with_what_to_do_about_it() {
    for policy in ["hash", "none"] {
        let sandbox = recorded_with(&format!("--payload {policy}"));
        sandbox.blkreplay("replay t.blkr before.img --output-image after.img").finish().ends_with(2).says(&[
            "error: cannot replay t.blkr: event ",
            "write #0 of 65536 bytes at 0 has no data in the trace\n",
            "hint: record with --payload write, which is the default, to keep what is written\n",
            "hint: --fill random makes data up, where only times matter\n",
        ]);
        assert!(!sandbox.path("after.img").exists());
    }
}

#[test]
fn reads_over_what_was_made_up_are_unverified_and_the_others_are_compared() {
    let sandbox = recorded_with("--payload hash");
    for fill in ["zero", "random"] {
        let line =
            format!("replay t.blkr before.img --fill {fill} --json --output-image {fill}.img");
        let finished = sandbox.blkreplay(&line).finish().succeeds().says(&[
            "reads verified 2  unverified 2  0 differences in what was compared\n",
            "5 writes had no data in the trace, which were made up\n",
        ]);
        let told = json(&finished);
        assert_eq!(told["filled"], WRITES);
        assert_eq!(told["reads_verified"], READS_OF_IMAGE.len());
        assert_eq!(told["reads_unverified"], READS_OF_WRITES.len());
    }
    let before = sandbox.read("before.img");
    let zeroed = CHANGES.iter().fold(before.clone(), |mut image, (_, offset, length, _)| {
        let [start, end] = [*offset, offset + length].map(|place| usize::try_from(place).unwrap());
        image[start..end].fill(0);
        image
    });
    assert_holds(&sandbox, "zero.img", &zeroed);
    let random = sandbox.read("random.img");
    assert!(random[..64 << 10] != before[..64 << 10] && random[..64 << 10] != zeroed[..64 << 10]);
    assert!(random[3 << 20..] == before[3 << 20..], "nobody writes there");
    // The same is made up each time.
    sandbox
        .blkreplay("replay t.blkr before.img --fill random --output-image again.img")
        .finish()
        .succeeds();
    sandbox.assert_same("random.img", "again.img");
}

#[test]
fn where_nothing_could_be_compared_nobody_says_that_there_are_no_differences() {
    let sandbox = recorded_with("--payload none");
    let finished = sandbox
        .blkreplay("replay t.blkr before.img --fill zero --json")
        .finish()
        .succeeds()
        .says(&["reads verified 0  unverified 4  nothing could be compared\n"]);
    assert!(!finished.stderr.contains("0 differences"), "{finished}");
    let told = json(&finished);
    assert_eq!((&told["reads_verified"], &told["reads_unverified"]), (&0.into(), &4.into()));
}

#[test]
fn what_was_made_up_is_no_recording_of_anything_but_checks_clean() {
    let sandbox = recorded_with("--payload hash");
    sandbox.blkreplay("replay t.blkr before.img --fill random -o again.blkr").finish().succeeds();
    sandbox.blkreplay("check --deep again.blkr").finish().succeeds();
    // Its digests are those of what it wrote.
    let payloads = |name: &str| {
        let trace = crate::trace::Trace::whole(&sandbox, name);
        trace.of("write").map(|row| row.payload.clone()).collect::<Vec<_>>()
    };
    let (recorded, again) = (payloads("t.blkr"), payloads("again.blkr"));
    assert!(recorded.iter().zip(&again).all(|(one, other)| one != other), "{again:?}");
}

#[test]
fn a_trace_with_all_data_needs_nothing_made_up() {
    let sandbox = recorded_with("");
    let finished =
        sandbox.blkreplay("replay t.blkr before.img --fill zero --json").finish().succeeds();
    let told = json(&finished);
    assert_eq!((&told["filled"], &told["reads_verified"]), (&0.into(), &4.into()));
}
