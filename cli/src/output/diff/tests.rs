//! Every format, about pairs that were made by hand.

use blkreplay_core::diff::{
    Bounds, Budget, Budgeted, Compared, Difference, DifferingBytes, Evidence, Fact, Facts,
    Gatherer, Kind, Outcome, Place, Scope, Unit, Warning, Which,
};
use blkreplay_core::event::Payload;
use blkreplay_core::request::{DeviceId, Digest, Flags, Operation, Request, RequestId};
use blkreplay_core::units::{ByteRange, Nanos};
use bytes::Bytes;

use super::text::{Detail, Text};
use super::*;

fn epoch(number: u64) -> Place {
    Place { device: Some(DeviceId(0)), base_epoch: Some(number), new_epoch: Some(number) }
}

fn write(id: u64, digest: u128) -> Compared {
    Compared {
        place: id,
        id: RequestId(id),
        device: DeviceId(0),
        epoch: 7,
        straddling: false,
        time: Nanos(5),
        request: Request {
            operation: Operation::Write,
            range: ByteRange::new(0, 4096),
            flags: Flags::FUA,
        },
        payload: Payload::Digest(Digest(digest << 96)),
        masked: false,
        result: Some(Ok(())),
    }
}

fn changed(id: u64) -> Difference {
    Difference {
        kind: Kind::Changed,
        place: epoch(7),
        base: vec![write(id, 0x71aa_2067)],
        new: vec![write(id + 2, 0xe01b_22c4)],
        facts: Facts::NONE.with(Fact::Payload),
    }
}

fn added(id: u64) -> Difference {
    let place = Place { base_epoch: None, new_epoch: Some(12), ..epoch(12) };
    let new = vec![write(id, 0x9f2c_0000)];
    Difference { kind: Kind::Added, place, base: Vec::new(), new, facts: Facts::NONE }
}

/// A pair of which this was found.
fn pair(say: impl FnOnce(&mut Gatherer)) -> Pair {
    let mut gatherer = Gatherer::new(Bounds { most: 20, first_only: false, shown: Scope::All });
    say(&mut gatherer);
    let report = gatherer.finish();
    let side = |path: &str, requests, epochs| SideTold {
        path: path.to_owned(),
        requests: Some(requests),
        epochs: Some(epochs),
        complete: Some(true),
        ..SideTold::default()
    };
    Pair {
        base: SideTold { recorded: Some("2026-11-20".into()), ..side("boot.blkr", 4182, 12) },
        new: side("run.blkr", 4190, 13),
        rule: RuleTold::default(),
        options: Vec::new(),
        devices: vec!["disk".into()],
        found: Found::Report(Box::new(report)),
        budgets: Vec::new(),
        warnings: Vec::new(),
        left_out: [0; 2],
        learned: None,
        took: Duration::from_millis(412),
        expect: Expect::Same,
    }
}

fn same() -> Pair {
    pair(|gatherer| gatherer.same(epoch(0), 4182, 3))
}

/// One that differs in two places.
fn different() -> Pair {
    let mut pair = pair(|gatherer| {
        (0..7).for_each(|number| gatherer.same(epoch(number), 287, 0));
        assert!(gatherer.difference(changed(2034)).is_continue());
        (8..12).for_each(|number| gatherer.same(epoch(number), 540, 1));
        (0..8).for_each(|id| assert!(gatherer.difference(added(4176 + id)).is_continue()));
    });
    let Found::Report(report) = &mut pair.found else { panic!() };
    let bytes = DifferingBytes {
        ranges: std::iter::once(0x42c..0x434).collect(),
        count: 8,
        of: 4096,
        base: Bytes::from_static(&[0x71, 0xaa, 0x20, 0x67, 0, 0]),
        new: Bytes::from_static(&[0xe0, 0x1b, 0x22, 0x67, 0, 0]),
    };
    report.runs[1].kept[0].evidence = Evidence { bytes: Some(bytes), ..Evidence::default() };
    pair
}

fn flushes(verdict: Budget) -> Budgeted {
    Budgeted {
        name: "flushes".into(),
        metric: "count(flush)".into(),
        unit: Unit::Number,
        base: 12.0,
        new: 13.0,
        limit: "+5%".into(),
        verdict,
        p: None,
        runs: (1, 1),
        at: Some("blkreplay.toml:14".into()),
    }
}

fn trouble() -> Pair {
    let found = Found::Trouble(Trouble {
        code: "truncated",
        message: "run.blkr is not whole: <it> ends".into(),
        hints: vec!["blkreplay recover run.blkr -o NEW".into()],
    });
    Pair { found, ..same() }
}

fn text(pair: &Pair, detail: Detail) -> String {
    let mut out = Vec::new();
    Text { detail, colored: false }.write_all(std::slice::from_ref(pair), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn json(pair: &Pair) -> serde_json::Value {
    let mut out = Vec::new();
    json::write(pair, &mut out).unwrap();
    assert_eq!(out.pop(), Some(b'\n'));
    assert!(!out.contains(&b'\n'), "one line");
    serde_json::from_slice(&out).unwrap()
}

fn github(pairs: &[Pair]) -> Vec<String> {
    let mut out = Vec::new();
    github::write(pairs, &mut out).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn junit(pairs: &[Pair]) -> String {
    let mut out = Vec::new();
    junit::write(pairs, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn what_is_the_same_is_one_line() {
    let line = "same: 4,182 requests in 12 epochs (align epoch, 3 masked)\n";
    assert_eq!(text(&same(), Detail::Full), line);
}

#[test]
fn what_differs_is_told_place_by_place_and_fits_80_columns() {
    let told = text(&different(), Detail::Full);
    let expected = "\
base  boot.blkr  4,182 requests  12 epochs  recorded 2026-11-20
new   run.blkr   4,190 requests  13 epochs
rule  align epoch; compare op off len flags payload result; ignore time id conn

  epochs 0–6   2,009 same
~ epoch 7      1 changed
    ~ write 0+4096 fua  #2034 | #2036  payload 71aa2067… → e01b22c4…
         bytes 0x42c..0x434 (8 of 4,096)  71 aa 20 67 … → e0 1b 22 67 …
  epochs 8–11  2,160 same                                       4 masked
+ epoch 12     8 added
    + write 0+4096 fua  · | #4176  payload 9f2c0000…
    + write 0+4096 fua  · | #4177  payload 9f2c0000…
    + write 0+4096 fua  · | #4178  payload 9f2c0000…
    + write 0+4096 fua  · | #4179  payload 9f2c0000…
    + write 0+4096 fua  · | #4180  payload 9f2c0000…
    + write 0+4096 fua  · | #4181  payload 9f2c0000…
    + write 0+4096 fua  · | #4182  payload 9f2c0000…
    + write 0+4096 fua  · | #4183  payload 9f2c0000…

different: 1 changed, 8 added, 0 removed, 0 moved
  hint: look at it: blkreplay print run.blkr --at '#2036'
  hint: accept it: blkreplay bless boot.blkr run.blkr
";
    assert_eq!(told, expected);
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
}

#[test]
fn counts_alone_leave_the_differences_out() {
    let told = text(&different(), Detail::Counts);
    assert!(told.contains("+ epoch 12     8 added\n\ndifferent: "), "{told}");
    assert!(!told.contains("#2034"), "{told}");
}

#[test]
fn a_line_that_would_be_too_long_is_broken_before_what_differs() {
    let mut far = changed(123_456_789);
    for one in far.base.iter_mut().chain(&mut far.new) {
        one.request.range = ByteRange::new(1 << 42, 1 << 30);
    }
    let pair = pair(|gatherer| assert!(gatherer.difference(far).is_continue()));
    let told = text(&pair, Detail::Full);
    assert!(told.lines().all(|line| line.chars().count() <= 80), "{told}");
    assert!(told.contains("\n         payload 71aa2067… → e01b22c4…\n"), "{told}");
}

#[test]
fn budgets_stand_in_a_table_and_one_that_is_over_is_a_difference() {
    let mut pair = same();
    let tail = Budgeted {
        name: "read tail".into(),
        unit: Unit::Time,
        base: 812_000.0,
        ..flushes(Budget::Unsure)
    };
    let tail = Budgeted { new: 840_000.0, p: Some(0.41), runs: (5, 5), at: None, ..tail };
    pair.budgets = vec![flushes(Budget::Over), tail];
    assert_eq!((pair.verdict(), pair.exit_code()), (Verdict::Different, 1));
    let told = text(&pair, Detail::Full);
    let table = "
budgets
  OVER  flushes    12 → 13        +8.3 %  limit +5%  blkreplay.toml:14
  ~     read tail  812µs → 840µs  +3.4 %  limit +5%  p=0.41, 5 + 5 runs, not significant

different: 0 changed, 0 added, 0 removed, 0 moved; 1 budget over
";
    assert!(told.contains(table), "{told}");
    assert_eq!(json(&pair)["summary"]["over_budget"], 1);
    let command = "::error file=blkreplay.toml,line=14,title=over budget%3A flushes::12 → 13 (+8.3 %25, limit +5%25)";
    assert_eq!(github(&[pair.clone()]), [command]);
    assert!(junit(&[pair]).contains(r#"<failure message="12 → 13 (+8.3 %, limit +5%)""#));
    let mut kept = same();
    kept.budgets = vec![flushes(Budget::Kept)];
    assert_eq!(kept.verdict(), Verdict::Same);
}

#[test]
fn exit_codes_are_0_1_2_and_what_was_hoped_for_changes_only_the_first_two() {
    let codes =
        |expect| [same(), different(), trouble()].map(|pair| Pair { expect, ..pair }.exit_code());
    assert_eq!(codes(Expect::Same), [0, 1, 2]);
    assert_eq!(codes(Expect::Different), [1, 0, 2]);
    let only = Pair { found: Found::Only(Which::Base), ..same() };
    assert_eq!((only.exit_code(), only.verdict().name()), (1, "different"));
}

#[test]
fn json_has_the_verdict_on_trouble_too() {
    let value = json(&trouble());
    assert_eq!((&value["verdict"], &value["exit_code"]), (&"trouble".into(), &2.into()));
    assert_eq!(value["error"]["code"], "truncated");
    assert_eq!(value["error"]["hint"], "blkreplay recover run.blkr -o NEW");
    assert_eq!(json(&same())["error"], serde_json::Value::Null);
}

#[test]
fn json_says_how_many_differences_it_left_out() {
    let many = pair(|gatherer| {
        (0..50).for_each(|id| assert!(gatherer.difference(changed(id)).is_continue()));
    });
    let group = &json(&many)["groups"][0];
    assert_eq!(group["items"].as_array().unwrap().len(), 20);
    assert_eq!((&group["count"], &group["truncated"]), (&50.into(), &30.into()));
    let value = json(&different());
    let groups = value["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "what is the same is no group");
    let item = &groups[0]["items"][0];
    assert_eq!(item["bytes"], serde_json::json!([[0x42c, 0x434]]));
    assert_eq!(
        (&item["base_bytes"], &item["fields"][0]),
        (&"71aa20670000".into(), &"payload".into())
    );
    assert_eq!(
        groups[1]["where"],
        serde_json::json!({"epoch_base": null, "epoch_new": 12, "dev": "disk"})
    );
}

#[test]
fn json_lines_are_differences_and_a_last_line_with_the_verdict() {
    let mut out = Vec::new();
    jsonl::write(&different(), &mut out).unwrap();
    let lines: Vec<serde_json::Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[..9].iter().all(|line| line["schema"] == "blkreplay.difference/1"));
    let last = &lines[9];
    assert_eq!(
        (&last["schema"], &last["verdict"]),
        (&"blkreplay.diff/1".into(), &"different".into())
    );
    assert_eq!(last["groups"][1]["truncated"], 8);
}

#[test]
fn at_most_nine_annotations_are_written_and_a_notice_says_how_many_more() {
    let commands = github(&[different(), different()]);
    assert_eq!(commands.len(), 10);
    assert!(commands[..9].iter().all(|line| line.starts_with("::error title=")), "{commands:?}");
    assert_eq!(commands[9], "::notice title=blkreplay::9 more: see the text above, or the summary");
    assert_eq!(github(&[same()]), [""; 0]);
    let hoped = Pair { expect: Expect::Different, ..different() };
    assert_eq!(github(&[hoped]), [""; 0], "what was hoped for is no error");
    let commands = github(&[trouble()]);
    assert_eq!(commands, ["::error title=trouble%3A truncated::run.blkr is not whole: <it> ends"]);
}

#[test]
fn no_value_ends_an_annotation_or_begins_one() {
    let mut pair = trouble();
    let Found::Trouble(trouble) = &mut pair.found else { panic!() };
    trouble.message = "100%\u{1b}\r\n::error::mine".into();
    let command = r"::error title=trouble%3A truncated::100%25\u{1b}%0D%0A::error::mine";
    assert_eq!(github(&[pair]), [command]);
}

#[test]
fn differences_from_a_text_point_at_its_line() {
    let mut pair = different();
    pair.base.is_text = true;
    pair.base.path = "a,b:c.txt".into();
    let commands = github(&[pair]);
    assert!(
        commands[0].starts_with("::error file=a%2Cb%3Ac.txt,line=2034,title=payload changed::~")
    );
    assert!(commands[1].starts_with("::error title=added::+ "), "{}", commands[1]);
}

#[test]
fn a_case_passes_where_all_is_the_same_and_fails_where_something_differs() {
    let told = junit(&[different()]);
    assert!(
        told.contains(r#"<testsuites name="blkreplay diff" tests="4" skipped="0" failures="2""#)
    );
    assert!(told.contains(r#"<testcase name="epochs 0-6" classname="blkreplay.requests""#));
    assert!(told.contains(r#"<failure message="8 added" type="added">"#), "{told}");
    assert!(told.contains("reproduce: blkreplay diff boot.blkr run.blkr --epoch 7<"), "{told}");
    let told = junit(&[same(), trouble()]);
    assert!(told.contains(r#"tests="2" skipped="0" failures="0" errors="1""#), "{told}");
    assert!(told.contains("&lt;it&gt; ends\nhint: blkreplay recover"), "{told}");
    let hoped = Pair { expect: Expect::Different, ..different() };
    assert!(junit(&[hoped]).contains(r#"failures="0" errors="0""#));
    let not = Pair { expect: Expect::Different, ..same() };
    assert!(junit(&[not]).contains(r#"failures="1" errors="0""#));
}

#[test]
fn a_summary_is_never_longer_than_it_may_be_and_keeps_the_verdicts() {
    let pairs: Vec<Pair> = (0..40).map(|_| different()).collect();
    let whole = markdown::summary(&pairs, markdown::BYTES_MAX);
    assert!(!whole.contains("left out"));
    for most in [0, 99, 3000, 6000, whole.len() - 1] {
        let cut = markdown::summary(&pairs, most);
        assert!(cut.len() <= most, "{} of {most}", cut.len());
        assert!(cut.contains("left out: the summary would be too long") || most < 100);
    }
    let cut = markdown::summary(&pairs, 6000);
    assert_eq!(cut.matches("### ❌ different").count(), 40, "verdicts come before details");
    assert_eq!(cut.matches("<details>").count(), cut.matches("</details>").count());
}

/// A pair whose every text wants out of where it stands.
fn hostile() -> Pair {
    let evil = "</pre><script>alert(1)</script>```` | \u{1b}[2J\n# x";
    let mut pair = different();
    pair.base.path = evil.into();
    pair.devices = vec![evil.into(), "two".into()];
    pair.rule.config = Some(evil.into());
    pair.budgets =
        vec![Budgeted { name: evil.into(), limit: evil.into(), ..flushes(Budget::Over) }];
    pair.warnings = vec![Warning { code: "x", message: evil.into(), at: Some(evil.into()) }];
    pair
}

#[test]
fn what_a_trace_holds_steers_no_terminal_and_leaves_no_element() {
    let told = text(&hostile(), Detail::Full);
    assert!(!told.contains('\u{1b}') && !told.contains("\n# x"), "{told}");
    let page = html::document(&[hostile()]);
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
    let summary = markdown::summary(&[hostile()], markdown::BYTES_MAX);
    assert!(!summary.contains('\u{1b}') && !summary.contains("\n# x"), "{summary}");
    let outside = summary.split("`````").step_by(2).collect::<String>();
    assert!(!outside.contains("<script"), "{outside}");
    let document = junit(&[hostile()]);
    assert!(!document.contains("<script") && !document.contains('\u{1b}'), "{document}");
}

#[test]
fn a_page_needs_nothing_but_itself() {
    let page = html::document(&[same(), different(), trouble()]);
    for outside in ["http", "src=", "url(", "<script", "<link", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    assert!(page.contains("<title>trouble: blkreplay diff</title>"), "the worst is the title");
    assert!(page.contains("<a href=\"#pair-1\">"));
}

#[test]
fn a_trace_that_only_one_folder_has_is_told_in_every_format() {
    let only = Pair { found: Found::Only(Which::Base), ..same() };
    let what = "different: boot.blkr is there, and run.blkr is not\n";
    assert_eq!(text(&only, Detail::Full), what);
    assert_eq!(json(&only)["verdict"], "different");
    let pairs = [only];
    assert_eq!(github(&pairs), ["::error title=missing trace::run.blkr is not there"]);
    assert!(junit(&pairs).contains(r#"type="missing""#));
    assert!(html::document(&pairs).contains("only one of the two is there"));
}
