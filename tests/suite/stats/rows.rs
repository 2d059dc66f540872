//! `stats` says what the rows of `print --json` amount to.

use std::collections::{BTreeMap, BTreeSet};

use blkreplay_core::query::Kind;
use serde_json::Value;

use crate::stats::{recorded, stats};
use crate::support::Sandbox;

/// The rows of `print --json`, those that a filter means.
#[track_caller]
fn rows(sandbox: &Sandbox, filter: Option<&str>) -> Vec<Value> {
    let words: Vec<&str> = filter.map_or(Vec::new(), |filter| vec!["-f", filter]);
    let printed = sandbox.blkreplay("print t.blkr --json").args(words).finish().succeeds();
    printed.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(row: &Value, field: &str) -> u64 {
    row[field].as_u64().unwrap_or(0)
}

fn sum(rows: &[&Value], field: &str) -> u64 {
    rows.iter().map(|row| number(row, field)).sum()
}

/// Holds what is told of how `numbers` are spread against them.
#[track_caller]
fn check_spread(told: &Value, mut numbers: Vec<u64>, what: &str) {
    if numbers.is_empty() {
        assert!(told.is_null(), "{what}: {told}");
        return;
    }
    numbers.sort_unstable();
    let count = numbers.len();
    assert_eq!(told["count"], count, "{what}");
    assert_eq!(told["min"], numbers[0], "{what}");
    assert_eq!(told["max"], numbers[count - 1], "{what}");
    assert_eq!(told["mean"], numbers.iter().sum::<u64>() / count as u64, "{what}");
    for (name, thousandth) in [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)] {
        let exact = numbers[(count * thousandth).div_ceil(1000) - 1];
        let found = told[name].as_u64().unwrap();
        assert!(
            (exact..=exact + exact / 1000 + 1).contains(&found),
            "{what} {name}: {found}, {exact}"
        );
    }
}

#[test]
fn the_sums_are_those_of_the_rows_that_print_prints() {
    let sandbox = recorded();
    let filters = [None, Some("write"), Some("dev == two"), Some("len > 1k or flush"), Some("fua")];
    for filter in filters {
        let words: Vec<&str> = filter.map_or(Vec::new(), |filter| vec!["-f", filter]);
        let told = stats(&sandbox, &words);
        let all = rows(&sandbox, filter);
        assert!(!all.is_empty(), "{filter:?}");
        assert_eq!(told["requests"], all.len(), "{filter:?}");
        assert_eq!(told["filter"].as_str(), filter);
        let ops: BTreeSet<_> = all.iter().map(|row| row["op"].as_str().unwrap()).collect();
        let operations = told["operations"].as_object().unwrap();
        assert_eq!(operations.keys().map(String::as_str).collect::<BTreeSet<_>>(), ops);
        for op in ops {
            let of: Vec<&Value> = all.iter().filter(|row| row["op"] == op).collect();
            let told = &operations[op];
            assert_eq!(told["requests"], of.len(), "{op}");
            assert_eq!(told["bytes"], sum(&of, "len"), "{op}");
            let each = |value: &dyn Fn(&Value) -> u64| of.iter().map(|row| value(row)).collect();
            check_spread(&told["latency"], each(&|row| number(row, "lat")), op);
            check_spread(&told["hold"], each(&|row| number(row, "hold")), op);
            let total = |row: &Value| number(row, "lat") + number(row, "hold");
            check_spread(&told["total"], each(&total), op);
            let mut lengths: BTreeMap<u64, u64> = BTreeMap::new();
            for length in of.iter().filter_map(|row| row["len"].as_u64()) {
                *lengths.entry(length).or_default() += 1;
            }
            let sizes = told["sizes"].as_array().unwrap().iter();
            let sizes: BTreeMap<u64, u64> =
                sizes.map(|size| (number(size, "len"), number(size, "requests"))).collect();
            assert_eq!(sizes, lengths, "{op}");
        }
        let first = all.iter().map(|row| number(row, "t")).min().unwrap();
        let released = |row: &Value| number(row, "t") + number(row, "lat") + number(row, "hold");
        assert_eq!(told["span"], all.iter().map(released).max().unwrap() - first, "{filter:?}");
        let epochs: BTreeSet<_> =
            all.iter().map(|row| (row["dev"].to_string(), number(row, "epoch"))).collect();
        assert_eq!(told["epochs"], epochs.len());
    }
}

#[test]
fn what_was_done_on_purpose_is_found() {
    let sandbox = recorded();
    let told = stats(&sandbox, &["-f", "dev == one"]);
    let write = &told["operations"]["write"];
    assert_eq!(
        (&write["requests"], &write["followed"], &write["sequential"]),
        (&3.into(), &2.into(), &1.into())
    );
    assert_eq!(write["aligned_4096"], 3);
    let read = &told["operations"]["read"];
    assert_eq!((&read["aligned_512"], &read["aligned_4096"]), (&1.into(), &0.into()));
    let flush = &told["flush"];
    assert_eq!((&flush["fua"], &flush["fua_bytes"]), (&1.into(), &4096.into()));
    assert_eq!(flush["at_risk"]["max"], 128 << 10, "{flush}");
    // The second of two flushes, one behind the other. qemu-io flushes at its end; by then there was a discard.
    assert_eq!(flush["redundant"], 1, "{flush}");
    assert_eq!(flush["unflushed"], 0);
    let touched = &told["touched"];
    assert_eq!((&touched["read"], &touched["written"]), (&4096.into(), &(132 << 10).into()));

    let told = stats(&sandbox, &["-f", "dev == two"]);
    assert_eq!(told["flush"]["rewritten"], 512, "{told}");
    assert_eq!(told["flush"]["at_risk"]["count"], 2, "{told}");
}

#[test]
fn tables_by_every_field_add_up_to_all_requests() {
    let sandbox = recorded();
    let all = rows(&sandbox, None);
    let tables = blkreplay_core::query::FIELDS.iter().filter(|field| field.kind != Kind::Bytes);
    for field in tables {
        let told = stats(&sandbox, &["--by", field.name, "-n", "2"]);
        let by = &told["by"];
        assert_eq!(by["field"], field.name);
        let groups: Vec<&Value> = by["groups"].as_array().unwrap().iter().collect();
        assert!(groups.len() <= 2, "{by}");
        let rest = number(&by["rest"], "requests");
        assert_eq!(sum(&groups, "requests") + rest, all.len() as u64, "{by}");
    }
    for alias in ["nbd.len", "latency"] {
        let told = stats(&sandbox, &["--by", alias]);
        assert!(["len", "lat"].contains(&told["by"]["field"].as_str().unwrap()), "{alias}");
    }
}

#[test]
fn a_table_by_a_field_has_the_requests_of_each_value() {
    let sandbox = recorded();
    let all = rows(&sandbox, None);
    for (field, in_row) in [
        ("op", "op"),
        ("dev", "dev"),
        ("conn", "conn"),
        ("len", "len"),
        ("result", "result"),
        ("hash", "payload"),
    ] {
        let told = stats(&sandbox, &["--by", field, "-n", "100"]);
        for group in told["by"]["groups"].as_array().unwrap() {
            let of: Vec<&Value> = all.iter().filter(|row| row[in_row] == group["value"]).collect();
            assert_eq!(number(group, "requests"), of.len() as u64, "{field}: {group}");
            assert_eq!(number(group, "bytes"), sum(&of, "len"), "{field}: {group}");
        }
    }
    let told = stats(&sandbox, &["--by", "lat"]);
    for group in told["by"]["groups"].as_array().unwrap() {
        let stretch = number(group, "from")..number(group, "to");
        let of = all.iter().filter(|row| stretch.contains(&number(row, "lat"))).count();
        assert_eq!(number(group, "requests"), of as u64, "{group}");
    }
}
