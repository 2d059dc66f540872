//! Rules: what is left out, what is masked, what `blkreplay.toml` says of both, and what is wrong with a rule.

use serde_json::Value;

use super::{WORK, diff, pair, record, report};
use crate::support::Sandbox;

/// Two recordings that differ in the 4 KiB at 16 KiB, which are read as well.
fn differing() -> Sandbox {
    pair("-P 3 16k 4k", "-P 9 16k 4k")
}

/// The codes of warnings.
fn warnings(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

#[test]
fn what_is_masked_or_left_out_is_no_difference() {
    let sandbox = differing();
    diff(&sandbox, "").ends_with(1);
    let masked = report(&sandbox, "--mask 16k..20k", 0);
    assert_eq!((&masked["summary"]["masked"], &masked["summary"]["same"]), (&2.into(), &8.into()));
    diff(&sandbox, "--mask 16k..19k").ends_with(1);
    diff(&sandbox, "--mask 16k..20k@write").ends_with(1).says(&[]);
    for words in
        ["--ignore payload", "--loose", "--ignore-where off==16k", "--filter off<16k", "-f off<16k"]
    {
        let same = report(&sandbox, words, 0);
        assert_eq!(warnings(&same), Vec::<&str>::new(), "{words}");
    }
    let left_out = report(&sandbox, "--ignore-where off==16k", 0);
    assert_eq!(
        (&left_out["summary"]["ignored"], &left_out["summary"]["same"]),
        (&4.into(), &6.into())
    );
    assert_eq!(left_out["rule"]["rules"][0], "--ignore-where off==16k");
}

#[test]
fn that_not_all_pairs_were_looked_for_is_told() {
    let sandbox =
        pair("-c 'write -q -P 3 16k 4k'", "-c 'write -q -P 9 16k 4k' -c 'write -q -P 9 32k 4k'");
    assert_eq!(warnings(&report(&sandbox, "", 1)), Vec::<&str>::new());
    let told = report(&sandbox, "--window 1", 1);
    assert_eq!(warnings(&told), ["window"]);
    let text = diff(&sandbox, "--window 1").ends_with(1).stdout;
    assert!(text.contains("not all pairs were looked for"), "{text}");
}

#[test]
fn a_rule_that_matches_nothing_is_told_of() {
    let sandbox = pair("", "");
    let unused = report(&sandbox, "--ignore-where off==3M --mask 0..4@write --preset gpt-uuid", 0);
    assert_eq!(warnings(&unused), ["unused-ignore", "unused-ignore"]);
    let messages: Vec<_> =
        unused["warnings"].as_array().unwrap().iter().map(|one| &one["message"]).collect();
    assert_eq!(messages[0], "rule \"--ignore-where off==3M\" matched nothing");
    assert_eq!(messages[1], "rule \"gpt-uuid\" matched nothing", "once for all of its masks");
}

#[test]
fn a_rule_that_is_wrong_or_asks_for_data_that_are_not_there_is_trouble() {
    let sandbox = differing();
    for (words, said) in [
        ("--mask 16k", "`16k` is no range of bytes"),
        ("--mask 0..4@of==3", "unknown field `of`"),
        ("--ignore-where of==3", "^^ did you mean `op`?"),
        ("--filter dev==other", "`dev` is a device"),
        ("--ignore tme", "there are time  id"),
        ("--preset ext4", "there are ext4-times"),
        ("--align order --ignore order", "about order, which is ignored"),
        ("--budget count(flush)", "expected <=, <, >=, > or == and a limit"),
        ("--config none.toml", "none.toml"),
    ] {
        diff(&sandbox, words).ends_with(2).says(&[said]);
    }
    sandbox.blank("disk.img", 4 << 20);
    let io = format!("qemu-io -t writeback -f raw {WORK} \"$BLKREPLAY_URI\" >>said");
    let client = sandbox.script("client.sh", &io);
    let words = format!("record disk.img -o new.blkr --force --payload hash -- {client}");
    sandbox.blkreplay(&words).finish().succeeds();
    diff(&sandbox, "").ends_with(0);
    let told = report(&sandbox, "--mask 16k..20k", 2);
    assert_eq!(told["error"]["code"], "rule");
    diff(&sandbox, "--mask 16k..20k").ends_with(2).says(&[
        "new.blkr: rule \"--mask 16k..20k\" asks for the data of request",
        "record with --payload write",
    ]);
}

const FILE: &str = r#"
[[diff.ignore-rule]]
name = "a counter"
where = "off == 16k"
bytes = "16k..20k"
reason = "counts boots"

[[diff.ignore-rule]]
name = "old"
where = "off == 16k"
reason = "?"
until = "2020-01-01"
"#;

#[test]
fn the_nearest_file_says_what_is_compared_and_the_command_line_wins() {
    let sandbox = differing();
    sandbox.write("blkreplay.toml", FILE.as_bytes());
    let same = report(&sandbox, "", 0);
    assert_eq!(same["rule"]["config"], "blkreplay.toml");
    assert_eq!(same["rule"]["rules"], serde_json::json!(["a counter"]));
    assert_eq!(warnings(&same), ["no-reason", "expired-ignore"]);
    assert_eq!(same["warnings"][1]["at"], "blkreplay.toml:8");
    assert_eq!(warnings(&report(&sandbox, "--strict", 1)), Vec::<&str>::new());
    sandbox.write("empty.toml", b"");
    diff(&sandbox, "--config empty.toml").ends_with(1);
    sandbox.write("blkreplay.toml", b"[diff]\nalign = \"key\"\nignore = [\"payload\"]\n");
    let same = report(&sandbox, "", 0);
    assert_eq!(same["rule"]["align"], "key");
    assert_eq!(report(&sandbox, "--align epoch", 0)["rule"]["align"], "epoch");
    sandbox.write("blkreplay.toml", b"[diff]\nalgin = \"key\"\n");
    diff(&sandbox, "").ends_with(2).says(&["blkreplay.toml:2:1", "did you mean `align`?"]);
    assert_eq!(report(&sandbox, "", 2)["error"]["code"], "config");
}

#[test]
fn what_is_typed_of_the_order_wins_over_the_file() {
    let sandbox = pair("", "");
    for (file, words, align) in [
        ("ignore = [\"order\"]", "", "key"),
        ("ignore = [\"order\"]", "--align order", "order"),
        ("ignore = [\"order\"]", "--align epoch", "epoch"),
        ("align = \"order\"", "--ignore order", "key"),
        ("align = \"state\"", "--loose", "key"),
    ] {
        sandbox.write("blkreplay.toml", format!("[diff]\n{file}\n").as_bytes());
        assert_eq!(report(&sandbox, words, 0)["rule"]["align"], align, "{file} {words}");
    }
    sandbox.write("blkreplay.toml", b"[diff]\nalign = \"order\"\nignore = [\"order\"]\n");
    diff(&sandbox, "").ends_with(2).says(&["about order, which is ignored"]);
    diff(&sandbox, "--align state --ignore order").ends_with(2).says(&["about order"]);
}

#[test]
fn config_checks_and_shows_the_file() {
    let sandbox = Sandbox::new();
    let run = |words: &str| sandbox.blkreplay(&format!("config {words}")).finish();
    run("check").ends_with(2).says(&["there is no blkreplay.toml here or above"]);
    sandbox.write("blkreplay.toml", FILE.as_bytes());
    let told =
        run("check").ends_with(0).says(&["held until 2020-01-01 and is off", "has no reason yet"]);
    assert_eq!(told.stdout, "blkreplay.toml: 2 rules, 0 budgets, 0 suites, all right\n");
    let shown = run("show --origin").succeeds().stdout;
    let lines: Vec<Vec<&str>> = shown
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|word| !word.is_empty()).collect())
        .collect();
    assert_eq!(lines[0], ["diff.align = \"epoch\"", "default"]);
    assert_eq!(
        lines[5],
        ["# rule \"a counter\" masks 0x4000..0x5000 of off == 16k", "blkreplay.toml:2"]
    );
    assert_eq!(
        lines[6],
        [
            "# rule \"old\" leaves out of off == 16k, until 2020-01-01, and is off",
            "blkreplay.toml:8"
        ]
    );
    assert_eq!(run("show").succeeds().stdout.lines().next(), Some("diff.align = \"epoch\""));
    sandbox.write("wrong.toml", b"[diff]\nalgin = 1\nwindow = 0\n");
    run("check wrong.toml").ends_with(2).says(&["wrong.toml:2:1", "wrong.toml:3:10"]);
    let schema: Value = serde_json::from_str(&run("schema").succeeds().stdout).unwrap();
    assert_eq!(schema["title"], "blkreplay.toml");
    sandbox.write("long.toml", &vec![b'#'; (1 << 20) + 1]);
    run("show --config long.toml").ends_with(2).says(&["more than 1048576 bytes"]);
    run("check long.toml").ends_with(2).says(&["more than 1048576 bytes"]);
    run("check /dev/zero").ends_with(2).says(&["more than 1048576 bytes"]);
    let budget = "[[diff.budget]]\nname = \"tail\"\nmetric = \"p99(lat)\"\nmax-increase = \"5%\"\n";
    sandbox.write("budget.toml", budget.as_bytes());
    let told = run("show --config budget.toml").succeeds().stdout;
    let wanted = "\n# budget \"tail\" p99(lat) +5%, over 5 runs a side\n";
    assert!(told.contains(wanted), "{told}");
    sandbox.write("latin.toml", b"# \xe4\n");
    run("show --config latin.toml").ends_with(2).says(&["no UTF-8 at byte 2"]);
}

#[test]
fn budgets_are_exceeded_although_nothing_differs() {
    let sandbox = Sandbox::new();
    record(&sandbox, "base.blkr", WORK);
    record(&sandbox, "new.blkr", &format!("{WORK} -c flush"));
    let over = report(&sandbox, "--ignore-where op==flush --budget count(flush)<=+5%", 1);
    assert_eq!(
        (&over["verdict"], &over["summary"]["over_budget"]),
        (&"different".into(), &1.into())
    );
    let budget = &over["budgets"][0];
    assert_eq!(
        (&budget["base"], &budget["new"], &budget["ok"]),
        (&3.0.into(), &4.0.into(), &false.into())
    );
    report(&sandbox, "--ignore-where op==flush --budget count(flush)<=+50%", 0);
    report(&sandbox, "--ignore-where op==flush --budget sum(len)<=64k", 1);
    sandbox.write(
        "blkreplay.toml",
        b"[[diff.budget]]\nname = \"flushes\"\nmetric = \"count(flush)\"\nmax-increase = \"5%\"\n",
    );
    let over = report(&sandbox, "--ignore-where op==flush", 1);
    assert_eq!(over["budgets"][0]["at"], "blkreplay.toml:1");
}

#[test]
fn budgets_on_times_take_several_runs_a_side() {
    let sandbox = pair("", "");
    let told = report(&sandbox, "--budget max(lat)<=+10%", 2);
    assert_eq!(told["error"]["code"], "budget");
    diff(&sandbox, "--budget max(lat)<=+10%")
        .ends_with(2)
        .says(&["takes 5 runs a side; there are 1 of base and 1 of new", "--runs"]);
    let runs = ["base.blkr"; 5].join(" ");
    let words = format!("diff --budget max(lat)<=+10% --format json --runs {runs} -- {runs}");
    let told = sandbox.blkreplay(&words).finish().succeeds();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["budgets"][0]["p"], 1.0, "the same runs tell nothing apart");
    let nothing = report(&sandbox, "--budget max(len&&discard)<=5", 2);
    assert_eq!(nothing["error"]["code"], "budget");
    let nothing = report(&sandbox, "--budget max(seek)<=5 --filter read", 1);
    assert_eq!(
        nothing["budgets"][0]["ok"], false,
        "a budget is of all requests, whatever is looked at"
    );
}

#[test]
fn a_budget_on_times_is_over_although_nothing_differs_and_unsure_where_it_may_be_chance() {
    let sandbox = pair("", "");
    let judged = |budget: &str, code| {
        let runs = ["base.blkr"; 5].join(" ");
        let words = format!("diff --budget {budget} --runs {runs} -- {runs}");
        let text = sandbox.blkreplay(&words).finish().ends_with(code).stdout;
        let words = format!("diff --format json --budget {budget} --runs {runs} -- {runs}");
        let told = sandbox.blkreplay(&words).finish().ends_with(code).stdout;
        (text, serde_json::from_str::<Value>(&told).unwrap())
    };
    let (text, told) = judged("max(lat)<=1ns", 1);
    assert!(text.contains("OVER"), "{text}");
    assert_eq!((&told["verdict"], &told["budgets"][0]["ok"]), (&"different".into(), &false.into()));
    assert_eq!(told["budgets"][0]["p"], 1.0 / 32.0, "5 of 5 are beyond it");
    assert_eq!(told["summary"]["changed"], 0);
    let (text, told) = judged("max(lat)<=+10%", 0);
    assert!(text.lines().any(|line| line.trim().starts_with("~  max(lat)")), "{text}");
    assert_eq!((&told["verdict"], &told["budgets"][0]["ok"]), (&"same".into(), &true.into()));
}

#[test]
fn a_run_that_is_not_whole_is_not_measured() {
    let sandbox = Sandbox::holding("native/cut.blkr");
    let diff = |words: &str| sandbox.blkreplay(&format!("diff {words}")).finish();
    let allowed = "t.blkr t.blkr --align order --allow-truncated";
    diff(allowed).ends_with(0);
    let said = ["t.blkr is not whole", "a budget is of whole runs"];
    diff(&format!("{allowed} --budget count()<=1000")).ends_with(2).says(&said);
    sandbox.write("base.blkr", &blkreplay_fixtures::bytes("native/operations.blkr"));
    let runs = "--runs base.blkr -- base.blkr t.blkr";
    diff(&format!("--budget count()<=1000 {runs}")).ends_with(2).says(&said);
    sandbox.write("t.blkr", &blkreplay_fixtures::bytes("native/later.blkr"));
    let said = ["1,001 events are missing in t.blkr", "a budget is of whole runs"];
    diff(&format!("--budget count()<=1000 {runs}")).ends_with(2).says(&said);
}

#[test]
fn what_two_recordings_of_the_same_run_differ_in_is_learned() {
    let sandbox = differing();
    sandbox.remove("new.blkr");
    record(
        &sandbox,
        "new.blkr",
        &format!("{} -c 'write -q -P 5 2M 4k'", WORK.replace("-P 3 16k 4k", "-P 9 16k 4k")),
    );
    let learned = diff(&sandbox, "--learn").ends_with(0).stdout;
    assert_eq!(
        learned,
        "# Proposed by blkreplay diff --learn. Say of each rule why, or leave it out.\n\
         \n# 2 differences\n[[diff.ignore-rule]]\nname = \"bytes 0x4000..0x5000\"\nwhere = \"has(payload)\"\nbytes = \"0x4000..0x5000\"\nreason = \"?\"\n\
         \n# 1 difference\n[[diff.ignore-rule]]\nname = \"write 2097152+4096\"\n\
         where = \"op == write && off == 2097152 && len == 4096\"\nreason = \"?\"\n"
    );
    sandbox.write("blkreplay.toml", learned.as_bytes());
    let same = report(&sandbox, "", 0);
    assert_eq!(warnings(&same), ["no-reason", "no-reason"]);
    let nothing = diff(&sandbox, "--learn").ends_with(0).stdout;
    assert_eq!(nothing, "# Nothing is proposed.\n", "what is ignored already is not learned again");
    sandbox
        .blkreplay("diff base.blkr none.blkr --learn")
        .finish()
        .ends_with(2)
        .says(&["none.blkr"]);
}

#[test]
fn what_is_learned_of_recordings_as_they_are_usually_made_can_be_used() {
    let sandbox = Sandbox::new();
    for (trace, fill) in [("base.blkr", 3), ("new.blkr", 9)] {
        sandbox.blank("disk.img", 4 << 20);
        let work = WORK.replace("-P 3", &format!("-P {fill}"));
        let io = format!(
            "qemu-io -t writeback -f raw -c 'read -q 16k 4k' {work} \"$BLKREPLAY_URI\" >>said"
        );
        let client = sandbox.script("client.sh", &io);
        sandbox.blkreplay(&format!("record disk.img -o {trace} -- {client}")).finish().succeeds();
    }
    let learned = diff(&sandbox, "--learn").ends_with(0).stdout;
    assert!(learned.contains("bytes = \"0x4000..0x5000\""), "{learned}");
    assert!(learned.contains("where = \"op == read && off == 16384 && len == 4096\""), "{learned}");
    sandbox.write("blkreplay.toml", learned.as_bytes());
    assert_eq!(warnings(&report(&sandbox, "", 0)), ["no-reason", "no-reason"]);
}
