//! `anonymize`: what can be seen of a trace afterwards, that nothing else can, and what is refused.

use std::collections::HashMap;

use super::*;

/// For each value the place where it was first seen: equal lists have equal values at equal places.
fn classes(values: &[serde_json::Value]) -> Vec<usize> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let class = |(place, value): (usize, &serde_json::Value)| {
        *first.entry(value.to_string()).or_insert(place)
    };
    values.iter().enumerate().map(class).collect()
}

#[test]
fn all_is_kept_but_names_and_data() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let done = sandbox.blkreplay("anonymize t.blkr -o share.blkr").finish().succeeds();
    done.says(&[
        "removed",
        "tokens",
        "kept",
        "offsets",
        "check it blkreplay stats t.blkr share.blkr",
    ]);
    assert_sound(&sandbox, "share.blkr");
    for member in ["id", "conn", "op", "off", "len", "t", "lat", "hold", "epoch", "flags", "result"]
    {
        let (before, after) =
            (members(&sandbox, "t.blkr", member), members(&sandbox, "share.blkr", member));
        assert_eq!(after, before, "{member}");
    }
    let (before, after) =
        (members(&sandbox, "t.blkr", "payload"), members(&sandbox, "share.blkr", "payload"));
    assert_eq!(classes(&after), classes(&before), "equal data have equal tokens");
    for (old, new) in before.iter().zip(&after) {
        let is_token = old != "zeroes" && !old.is_null();
        assert_eq!(old != new, is_token, "{old} became {new}");
    }
    let info = info(&sandbox, "share.blkr");
    assert_eq!(info["devices"][0]["name"], "disk0");
    assert_eq!((&info["payload"], &info["payloads"]), (&"hash".into(), &0.into()));
    assert!(info["anonymized"]["key"].is_string() && info.get("recorded_at").is_none());
    let text = sandbox.blkreplay("info share.blkr").finish().succeeds().stdout;
    assert!(text.contains("at an unknown time") && text.contains("anonymized"), "{text}");
}

#[test]
fn nothing_that_was_taken_away_can_be_found() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    let whole = sandbox.printed("t.blkr --json");
    let mut secrets: Vec<String> =
        ["secret plan", "after", "disk.img", "client.sh", "writeback", "payload all"]
            .map(str::to_owned)
            .to_vec();
    let before = info(&sandbox, "t.blkr");
    secrets.extend(["uuid", "wall_clock_ns"].map(|name| before[name].to_string().replace('"', "")));
    let fingerprint = &before["devices"][0]["fingerprint"]["digest"];
    secrets.push(fingerprint.as_str().unwrap().replace("xxh3:", ""));
    secrets.extend(whole.lines().filter_map(|line| {
        let (_, digest) = line.split_once("\"payload\":\"xxh3:")?;
        Some(digest[..32].to_owned())
    }));
    assert!(secrets.len() > 10, "{secrets:?}");
    for options in ["", "--map-offsets=64k"] {
        let command = format!("anonymize t.blkr -o share.blkr --force {options}");
        sandbox.blkreplay(&command).finish().succeeds();
        let mut seen = sandbox.printed("share.blkr --json");
        seen += &sandbox.printed("share.blkr --events --json");
        seen += &sandbox.blkreplay("info share.blkr --json").finish().succeeds().stdout;
        let raw = String::from_utf8_lossy(&sandbox.read("share.blkr")).into_owned();
        for secret in &secrets {
            assert!(!seen.contains(secret) && !raw.contains(secret), "{secret} {options}");
        }
        assert!(!seen.contains("\"cookie\":1"), "cookies are gone");
    }
}

#[test]
fn extents_are_moved_and_overlaps_stay() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    sandbox.write("key", &[7; 32]);
    let command = "anonymize t.blkr -o share.blkr --map-offsets=64k --key-file key";
    let done = sandbox.blkreplay(command).finish().succeeds();
    done.says(&["moved", "of 16 extents of 64 KiB"]);
    assert_sound(&sandbox, "share.blkr");
    let offsets = |trace: &str| members(&sandbox, trace, "off");
    let (before, after) = (offsets("t.blkr"), offsets("share.blkr"));
    assert_ne!(before, after);
    assert_eq!(classes(&after), classes(&before), "what was in one place still is");
    assert_eq!(info(&sandbox, "share.blkr")["anonymized"]["extents_moved"], 65536);
}

#[test]
fn a_key_file_keeps_two_traces_comparable() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    sandbox.write("key", &[7; 32]);
    let tokens = |options: &str| {
        let command = format!("anonymize t.blkr -o share.blkr --force {options}");
        sandbox.blkreplay(&command).finish().succeeds();
        members(&sandbox, "share.blkr", "payload")
    };
    assert_eq!(tokens("--key-file key"), tokens("--key-file key"));
    assert_ne!(tokens(""), tokens(""), "each run has a key of its own");
}

#[test]
fn a_trace_without_data_is_not_compared_with_data() {
    let sandbox = Sandbox::new();
    record(&sandbox);
    sandbox.blkreplay("anonymize t.blkr -o share.blkr").finish().succeeds();
    let replay = "replay share.blkr disk.img";
    for options in ["", "--fill zero", "-- true"] {
        let refused = sandbox.blkreplay(&format!("{replay} {options}")).finish().ends_with(2);
        refused.says(&["anonymized", "hint: --no-verify --fill random"]);
    }
    let filled = format!("{replay} --no-verify --fill random -o t2.blkr");
    sandbox.blkreplay(&filled).finish().succeeds();
    assert_sound(&sandbox, "t2.blkr");
    assert!(info(&sandbox, "t2.blkr").get("anonymized").is_none(), "its digests are of data");
    sandbox.blkreplay("slice share.blkr -f read -o part.blkr").finish().succeeds();
    assert!(info(&sandbox, "part.blkr")["anonymized"].is_object());
}

#[test]
fn what_a_machine_did_is_taken_away_and_said() {
    let sandbox = Sandbox::holding("native/guest.blkr");
    let done = sandbox.blkreplay("anonymize t.blkr -o share.blkr").finish().succeeds();
    done.says(&["of the virtual machine"]);
    assert_sound(&sandbox, "share.blkr");
    assert_eq!(ids(&sandbox, "share.blkr"), ids(&sandbox, "t.blkr"));
}

#[test]
fn sizes_and_keys_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::holding("native/operations.blkr");
    sandbox.write("short", b"tiny");
    for (options, why) in [
        ("--map-offsets=3k", "a power of two"),
        ("--map-offsets=256", "512 bytes or more"),
        ("--map-offsets=0", "a power of two"),
        ("--map-offsets=x", "invalid value"),
        ("--key-file short", "holds no key"),
        ("--key-file missing", "cannot read missing"),
    ] {
        let refused = sandbox.blkreplay(&format!("anonymize t.blkr -o x.blkr {options}")).finish();
        refused.ends_with(2).says(&[why]);
    }
    assert_eq!(files(&sandbox), ["short", "t.blkr"]);
}

#[test]
fn outputs_and_inputs_that_cannot_be_are_refused() {
    assert_refuses_outputs("anonymize", "t.blkr");
    assert_refuses_inputs("anonymize", "");
}
