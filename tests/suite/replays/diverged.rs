//! Images that are not as they were: where a replay stops, what it leaves, and how it goes on when it is told to.

use serde_json::{Value, json};

use crate::replays::{REQUESTS, assert_holds, events, image_after, json as told, recorded};
use crate::support::Sandbox;

/// `changed.img` is as it was before, but for a byte where each of these reads.
#[track_caller]
fn change(sandbox: &Sandbox, places: &[usize]) {
    let mut image = sandbox.read("before.img");
    for place in places {
        image[*place] ^= 0x40;
    }
    sandbox.write("changed.img", &image);
}

/// In the range of #6, and of #11.
const PLACES: [usize; 2] = [(3 << 20) + 4100, (3200 << 10) + 7];

#[test]
fn a_replay_stops_at_a_difference_and_leaves_the_image_as_it_is_there() {
    let sandbox = recorded();
    change(&sandbox, &PLACES);
    let line = "replay t.blkr changed.img --any-image --json --output-image then.img -o then.blkr";
    let finished = sandbox.blkreplay(line).finish().ends_with(1).says(&[
        "replayed 6 of 13 requests in ",
        "  reads verified 1  1 difference\n",
        "error: replay diverged at request #6: data (event ",
        "  read 3145728+8192 of disk returned data that was not recorded\n",
        "    expected xxh3:",
        "    came     xxh3:",
        "  nothing in the trace wrote there before: the image itself differs\n",
        "  before, recorded  #3 read 0+65536   #4 flush   #5 write 2097152+4096\n",
        "  hint: replay onto a copy of the image as it was before the recording; \
         record --fingerprint full finds a wrong one before the first request\n",
        "  hint: blkreplay print t.blkr --at '#6' -n 20\n",
        "then.img  state at #6\n",
        "wrote    then.blkr  the replay's own trace\n",
    ]);
    assert_holds(&sandbox, "then.img", &image_after(&sandbox, "changed.img", 6));
    let object = told(&finished);
    assert_eq!((&object["verdict"], &object["replayed"]), (&json!("diverged"), &json!(6)));
    let divergence = &object["divergence"];
    assert_eq!(object["divergences"], json!([divergence]));
    let at = events(&sandbox, "t.blkr")
        .into_iter()
        .find(|it| it["kind"] == "issue" && it["id"] == 6)
        .unwrap();
    assert_eq!((&divergence["kind"], &divergence["event"]), (&json!("data"), &at["seq"]));
    assert_eq!((&divergence["t"], &divergence["epoch"]), (&at["t"], &json!(1)));
    for side in ["expected", "came"] {
        let asked = &divergence[side];
        assert_eq!(
            (&asked["id"], &asked["dev"], &asked["op"]),
            (&json!(6), &json!("disk"), &json!("read"))
        );
        assert_eq!(
            (&asked["off"], &asked["len"], &asked["result"]),
            (&json!(3 << 20), &json!(8192), &json!("ok"))
        );
    }
    assert_ne!(divergence["expected"]["payload"], divergence["came"]["payload"]);
    let before: Vec<&Value> =
        divergence["recorded_before"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(before, [3, 4, 5]);
    // What had been done is in its own trace, and the image of the command line is as it was.
    let own =
        crate::trace::rows(&sandbox.blkreplay("print then.blkr --json").finish().succeeds().stdout);
    assert!(own.iter().take(6).map(|row| row.id).eq(0..6), "{own:?}");
    sandbox.blkreplay("check then.blkr").finish().succeeds();
}

#[test]
fn a_replay_that_is_to_report_goes_on_and_tells_of_every_difference() {
    let sandbox = recorded();
    change(&sandbox, &PLACES);
    let line = "replay t.blkr changed.img --any-image --on-divergence report --json --output-image then.img";
    let finished = sandbox.blkreplay(line).finish().ends_with(1).says(&[
        "replayed 13 of 13 requests in ",
        "  reads verified 2  2 differences\n",
        "error: replay diverged at request #6: data (event ",
        "error: replay diverged at request #11: data (event ",
        "then.img  state after the last request\n",
    ]);
    let object = told(&finished);
    assert_eq!((&object["verdict"], &object["replayed"]), (&json!("diverged"), &json!(REQUESTS)));
    let named: Vec<&Value> = object["divergences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["expected"]["id"])
        .collect();
    assert_eq!(named, [6, 11]);
    assert_eq!(object["divergence"], object["divergences"][0]);
    assert_holds(&sandbox, "then.img", &image_after(&sandbox, "changed.img", u64::MAX));
}

#[test]
fn the_bytes_that_differ_are_named_where_the_trace_has_the_data() {
    let sandbox = recorded();
    sandbox
        .blkreplay("record before.img -o all.blkr --payload all -- sh client.sh")
        .finish()
        .succeeds();
    change(&sandbox, &PLACES[..1]);
    let line = "replay all.blkr changed.img --any-image --json";
    let object = told(
        &sandbox
            .blkreplay(line)
            .finish()
            .ends_with(1)
            .says(&["  1 of 8,192 bytes differ, the first at 0x1004\n"]),
    );
    let divergence = &object["divergence"];
    assert_eq!(
        (&divergence["first_different"], &divergence["different"]),
        (&json!(4100), &json!(1))
    );
    let [recorded, came] =
        ["recorded_bytes", "came_bytes"].map(|name| divergence[name].as_str().unwrap());
    assert_eq!((recorded.len(), came.len()), (32, 32), "sixteen bytes in hexadecimal");
    assert_eq!(recorded[2..], came[2..], "all but the first are the same");
    let byte = |text: &str| u8::from_str_radix(&text[..2], 16).unwrap();
    assert_eq!(byte(recorded) ^ byte(came), 0x40);
}

#[test]
fn without_comparing_nothing_diverges() {
    let sandbox = recorded();
    change(&sandbox, &PLACES);
    let line = "replay t.blkr changed.img --no-verify --output-image then.img";
    sandbox.blkreplay(line).finish().succeeds().says(&["nothing could be compared"]);
    assert_holds(&sandbox, "then.img", &image_after(&sandbox, "changed.img", u64::MAX));
}

#[test]
fn an_image_that_fails_where_it_had_not_is_a_difference() {
    let sandbox = recorded();
    sandbox.copy("before.img", "again.img");
    // A limit on the size of files, so that no write behind the first 512 KiB goes well.
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let script =
        format!("trap '' XFSZ; ulimit -f 1024; '{program}' replay t.blkr again.img --write --json");
    let finished = sandbox.tool("sh").args(["-c", &script]).finish().ends_with(1).says(&[
        "error: replay diverged at request #2: result (event ",
        "  write 1048576+4096 of disk failed with E",
        ", recorded ok\n",
    ]);
    let divergence = &told(&finished)["divergence"];
    assert_eq!(
        (&divergence["kind"], &divergence["expected"]["result"]),
        (&json!("result"), &json!("ok"))
    );
    assert!(divergence["came"]["result"].as_str().unwrap().starts_with('E'), "{divergence}");
}
