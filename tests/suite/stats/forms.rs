//! What `stats` looks like: for people, for several traces, on a terminal.

use crate::stats::recorded;

#[test]
fn a_line_for_each_operation_says_what_there_is() {
    let sandbox = recorded();
    let told = sandbox.blkreplay("stats t.blkr").finish().succeeds();
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(lines[0].starts_with("t.blkr  ") && lines[0].contains(" requests  "), "{told}");
    let heading: Vec<&str> = lines[1].split_whitespace().collect();
    let expected = ["op", "count", "bytes", "p50", "p90", "p99", "max", "MiB/s", "seq%", "4k%"];
    assert_eq!(heading, expected);
    let wide = lines[1..7].iter().filter(|line| line.chars().count() > 80);
    assert_eq!(wide.count(), 0, "the table fits a terminal of 80 columns: {told}");
    for op in ["read", "write", "write_zeroes", "discard", "flush"] {
        let line = lines.iter().find(|line| line.split(' ').next() == Some(op));
        let words = line.map(|line| line.split_whitespace().count());
        assert!(words.is_some_and(|words| words >= 10), "{op}: {told}");
    }
    for label in ["rate", "depth", "sizes", "hold", "flushes", "at risk", "touched", "from"] {
        assert!(told.stdout.contains(&format!("\n  {label:<11} ")), "{label}: {told}");
    }
    assert!(told.stdout.contains("64 KiB 40%"), "{told}");
    assert_eq!(told.stderr, "");
}

#[test]
fn several_traces_stand_side_by_side_with_the_change() {
    let sandbox = recorded();
    sandbox.copy("t.blkr", "same.blkr");
    let told = sandbox.blkreplay("stats t.blkr same.blkr").finish().succeeds();
    assert!(told.stdout.contains("      t.blkr  same.blkr   change\n"), "{told}");
    let compared = told.stdout.lines().skip(4);
    for line in compared.filter(|line| line.split_whitespace().last() != Some("-")) {
        assert!(line.ends_with(" ="), "a trace is like itself: {line}");
    }
    assert!(told.stdout.contains("\nwrite count"), "{told}");

    let both = sandbox.blkreplay("stats t.blkr same.blkr --by op").finish().succeeds();
    let tables = both.stdout.lines().filter(|line| line.starts_with("op ")).count();
    assert_eq!(tables, 2, "{both}");
    let json = sandbox.blkreplay("stats t.blkr same.blkr --json").finish().succeeds();
    let lines: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["path"], "t.blkr");
    assert_eq!(lines[1]["path"], "same.blkr");
    assert_eq!(lines[0]["operations"], lines[1]["operations"]);
}

#[test]
fn bars_are_for_terminals_only_and_colour_where_it_is_asked_for() {
    let sandbox = recorded();
    let is_bar = |c: char| ('▁'..='█').contains(&c);
    let piped = sandbox.blkreplay("stats t.blkr --by op --color always").finish().succeeds();
    assert!(!piped.stdout.contains(is_bar), "{piped}");
    assert!(piped.stdout.contains("\x1b[1mop"), "{piped}");
    let program = env!("CARGO_BIN_EXE_blkreplay");
    let command = format!("{program} stats t.blkr --by op");
    let terminal =
        sandbox.tool("script").args(["-qec", &command, "typescript"]).finish().succeeds();
    for part in ["latency     read", "over time   bytes", "████████████████████"]
    {
        assert!(terminal.stdout.contains(part), "{part}: {terminal}");
    }
    assert!(!terminal.stdout.contains("\x1b[1m"), "NO_COLOR is set: {terminal}");
}

#[test]
fn a_filter_is_named_and_one_that_means_nothing_says_why() {
    let sandbox = recorded();
    let told = sandbox.blkreplay("stats t.blkr -f").args(["read && len < 4k"]).finish().succeeds();
    assert!(told.stdout.contains("  where read && len < 4k\n"), "{told}");
    let none = sandbox.blkreplay("stats t.blkr -f").args(["read && len > 1G"]).finish().succeeds();
    let none =
        none.says(&["nothing is meant: of 2 requests that get so far, none passes `len > 1G`"]);
    assert!(none.stdout.starts_with("t.blkr  0 requests  "), "{none}");
}
