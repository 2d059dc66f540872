//! `diff` of logs of QEMU's record/replay: what two runs share is the same, and where they part is the first difference.

use super::{diff, read_report, report};
use crate::qemu_logs::log;
use crate::support::Sandbox;

fn logs(base: &str, new: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, log_name) in [("base.blkr", base), ("new.blkr", new)] {
        sandbox.write(name, &log(&format!("qemu/logs/{log_name}.rr.zst")));
    }
    sandbox
}

#[test]
fn two_recordings_of_one_machine_are_the_same() {
    let sandbox = logs("q100-fix-a1", "q100-fix-a2");
    let told = diff(&sandbox, "").succeeds();
    assert_eq!(told.stdout, "same: 106 events (align order)\n");
    assert_eq!(report(&sandbox, "", 0)["base"]["events"], 2346);
    let sandbox = logs("q100-fix-a1", "q111-boot_a");
    assert_eq!(diff(&sandbox, "").succeeds().stdout, "same: 106 events (align order)\n");
}

#[test]
fn the_one_write_more_of_another_guest_is_the_first_difference() {
    let sandbox = logs("q100-fix-a1", "q100-fix-b1");
    let told = diff(&sandbox, "").ends_with(1);
    let expected = "\
base  base.blkr  2,346 events
new   new.blkr   3,430 events
rule  align order; compare events; ignore instructions clocks timers interrupts

+ 4 added, 106 same
    + block #73  · | event:3399
         instructions executed: · | 5996233
         around it in base                  in new
           2327 block #71                     3365 block #71
           2333 block #72                     3373 block #72
           2337 char_write ret 1 offset 1     3377 char_write ret 1 offset 1
         ·                                  + 3399 block #73
           2339 char_write ret 1 offset 1     3423 char_write ret 1 offset 1
           2341 char_write ret 1 offset 1     3425 char_write ret 1 offset 1
           2342 shutdown guest_shutdown       3426 shutdown guest_shutdown
    + block #74  · | event:3405
    + block #75  · | event:3413
    + block #76  · | event:3419

different: 0 changed, 4 added, 0 removed, 0 moved
  hint: look at it: blkreplay print new.blkr --at event:3399
";
    assert_eq!(told.stdout, expected);
    let value = report(&sandbox, "", 1);
    let first = &value["first_difference"]["new"];
    assert_eq!(
        (&first["kind"], &first["seq"], &first["id"]),
        (&"block".into(), &3399.into(), &73.into())
    );
}

#[test]
fn differences_of_logs_stand_in_every_report() {
    let sandbox = logs("q100-fix-a1", "q100-fix-b1");
    let files =
        "--format junit=d.xml --format html=d.html --format markdown=d.md --format jsonl=d.jsonl";
    diff(&sandbox, files).ends_with(1);
    let cases = read_report(&sandbox, "junit", "d.xml");
    assert!(
        cases.starts_with("tests 1 failures 1 errors 0\nfailure: 4 added, 106 same\n+ block #73"),
        "{cases}"
    );
    assert!(read_report(&sandbox, "html", "d.html").contains("+ block #76"));
    assert!(String::from_utf8(sandbox.read("d.md")).unwrap().contains("+ block #73"));
    assert_eq!(String::from_utf8(sandbox.read("d.jsonl")).unwrap().lines().count(), 5);
    let told = diff(&sandbox, "--format github").ends_with(1);
    assert!(told.stdout.contains("\n::error title=added::+ block #73"), "{told}");
}

#[test]
fn less_is_said_of_logs_on_demand() {
    let sandbox = logs("q100-fix-a1", "q100-fix-b1");
    let told = diff(&sandbox, "-n 1 -U 0").ends_with(1);
    assert!(told.stdout.contains("… 3 more here, -n 0 for all"), "{told}");
    let told = diff(&sandbox, "--first").ends_with(1);
    assert!(told.stdout.contains("stopped at the first difference"), "{told}");
    let told = diff(&sandbox, "--stat").ends_with(1);
    assert!(!told.stdout.contains("block"), "{told}");
    for words in [
        "--epoch 1",
        "--at 3",
        "--align epoch",
        "--align state",
        "--loose",
        "-f read",
        "--learn",
        "--barrier none",
    ] {
        diff(&sandbox, words).ends_with(2).says(&["for logs of QEMU, which have only events"]);
    }
    diff(&sandbox, "--strict").ends_with(1);
    diff(&sandbox, "--qemu-layout nonsense").ends_with(2).says(&["no layout is called that"]);
}

#[test]
fn a_log_that_was_cut_is_trouble_unless_its_beginning_is_enough() {
    let sandbox = logs("q100-fix-a1", "q100-fix-b1");
    let whole = sandbox.read("new.blkr");
    sandbox.write("new.blkr", &whole[..9000]);
    let value = report(&sandbox, "", 2);
    assert_eq!(value["error"]["code"], "truncated");
    diff(&sandbox, "").ends_with(2).says(&["new.blkr", "--allow-truncated", "blkreplay recover"]);
    let told = diff(&sandbox, "--allow-truncated").succeeds();
    assert!(told.stdout.contains("of each side are compared\nsame: "), "{told}");
    // The first difference lies behind the cut.
    sandbox.write("new.blkr", &whole[..10_700]);
    diff(&sandbox, "--allow-truncated").ends_with(1);
}

#[test]
fn a_log_that_was_cut_before_its_first_event_is_the_same_as_nothing() {
    let sandbox = logs("q100-fix-a1", "q100-fix-b1");
    sandbox.write("base.blkr", &sandbox.read("new.blkr")[..12]);
    let told = report(&sandbox, "--allow-truncated", 2);
    assert_eq!(told["error"]["code"], "truncated");
    diff(&sandbox, "--allow-truncated").ends_with(2).says(&["no event is whole on both sides"]);
}

#[test]
fn rules_and_budgets_of_a_file_are_never_said_to_hold_for_logs() {
    let sandbox = logs("q100-fix-a1", "q100-fix-a2");
    sandbox.write(
        "blkreplay.toml",
        b"[[diff.ignore-rule]]\nname = \"a counter\"\nbytes = \"0..8\"\nreason = \"counts\"\n",
    );
    let told = report(&sandbox, "", 0);
    assert_eq!(told["rule"]["rules"], serde_json::json!([]));
    let warning = &told["warnings"][0];
    assert_eq!(
        (&warning["code"], &warning["at"]),
        (&"unused-ignore".into(), &"blkreplay.toml".into())
    );
    for format in ["text --stat", "markdown", "html"] {
        let told = diff(&sandbox, &format!("--format {format}")).ends_with(0);
        assert!(told.stdout.contains("logs of QEMU have none (blkreplay.toml)"), "{told}");
    }
    sandbox.write(
        "blkreplay.toml",
        b"[[diff.budget]]\nname = \"flushes\"\nmetric = \"count(flush)\"\nmax = \"0\"\n",
    );
    let told = report(&sandbox, "", 2);
    assert_eq!(told["error"]["code"], "usage");
    diff(&sandbox, "")
        .ends_with(2)
        .says(&["there is no budget for logs", "blkreplay.toml:1 has one"]);
}
