//! Findings: the same as those of `check --findings`; going to them, filtering by them, and what is said while they are looked for.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::path::Path;

use blkreplay_core::event::{Block, CompletionFlags, Event, EventKind, Issue, Payload};
use blkreplay_core::format::{self, Depth, Entry, Header, Inspector as Watcher, Reader, Writer};
use blkreplay_core::request::{ConnectionId, DeviceId, Flags, Operation, Request, RequestId};
use blkreplay_core::units::{ByteRange, Nanos};
use blkreplay_core::view::findings::{Finding, Findings};
use blkreplay_fixtures::path;
use blkreplay_fixtures::story::{self, FAILED, RETRY};

use super::Inspector;
use super::growing::{damaged, file};
use crate::action::View;
use crate::expert::KEPT;

/// What `check --findings` looks with.
#[derive(Default)]
struct Expert {
    findings: Option<Findings>,
    found: Vec<Finding>,
}

impl Expert {
    fn with(&mut self, act: impl FnOnce(&mut Findings)) {
        if let Some(findings) = &mut self.findings {
            act(findings);
            self.found.extend(findings.take());
        }
    }
}

impl Watcher for Expert {
    fn finding(&mut self, _: format::Finding) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn walked(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    fn header(&mut self, header: &Header) {
        self.findings = Some(Findings::new(header).unwrap());
    }
    fn event(&mut self, index: u64, event: &Event) {
        self.with(|findings| findings.push(index, event));
    }
    fn passed_over(&mut self, index: u64) {
        self.with(|findings| findings.pass_over(index));
    }
}

/// What `check --findings` finds, as lines, and what it says cannot be known.
fn expected(trace: &[u8]) -> (Vec<String>, Vec<&'static str>) {
    let mut expert = Expert::default();
    format::check(Cursor::new(trace.to_vec()), Depth::Structure, &mut expert).unwrap();
    expert.with(Findings::finish);
    let unknown = expert.findings.unwrap().unknown().to_vec();
    let mut lines: Vec<_> = expert.found.iter().map(line).collect();
    lines.sort();
    (lines, unknown)
}

fn line(finding: &Finding) -> String {
    format!("{} {:?} {} {finding}", finding.rule.name, finding.request, finding.event)
}

/// The findings of the view agree with those of `check`, and each is at the place of its request.
#[track_caller]
fn agrees(path: &Path) -> usize {
    let (expected, unknown) = expected(&std::fs::read(path).unwrap());
    let mut inspector = Inspector::of(path, 120, 40);
    inspector.press("9 g");
    let app = &inspector.desk.app;
    assert_eq!(app.findings.error, None);
    let listed = app.findings.listed(None);
    let mut lines: Vec<_> = listed.found.iter().map(|found| line(&found.finding)).collect();
    lines.sort();
    assert_eq!(lines, expected, "{}", path.display());
    assert_eq!(listed.notes, unknown);
    assert_eq!(app.findings.count(), expected.len() as u64);
    let found: Vec<_> = listed.found.iter().map(|found| (*found).clone()).collect();
    assert!(found.is_sorted_by_key(|found| found.place));
    for (at, found) in found.iter().enumerate() {
        if at > 0 {
            inspector.press("j");
        }
        let app = &inspector.desk.app;
        let focus = found.place.min(app.requests.len().saturating_sub(1));
        assert_eq!(app.requests.focus(), focus, "{found:?}");
        if let Some(id) = found.finding.request {
            let row = app.requests.focused().map(|row| row.id);
            assert_eq!(row, Some(id), "{found:?}");
        }
    }
    found.len()
}

#[test]
fn findings_are_those_of_check_and_lie_at_their_requests() {
    let story = file(&story::trace());
    assert_eq!(agrees(story.path()), 45);
    for name in ["guest", "sessions", "operations", "two-devices", "later", "indexed", "columns"] {
        agrees(&path(&format!("native/{name}.blkr")));
    }
}

/// Reads beyond the end of the disk, as many, of which every other id is missing.
fn beyond_the_end(count: u64) -> Vec<u8> {
    let story = Reader::open(Cursor::new(story::trace())).unwrap();
    let mut writer = Writer::create(Cursor::new(Vec::new()), story.header(), 7, 9).unwrap();
    let (operation, device) = (Operation::Read, DeviceId(0));
    for place in 0..count {
        let (id, time) = (RequestId(place * 2), Nanos(place * 1000));
        let issue = Issue {
            id,
            device,
            connection: ConnectionId(0),
            cookie: 0,
            request: Request { operation, range: ByteRange::new(1 << 40, 512), flags: Flags::NONE },
            payload: Payload::Absent,
            early: Nanos(0),
        };
        let block = Block {
            id,
            device,
            operation,
            result: Ok(()),
            latency: Nanos(500),
            hold: Nanos(0),
            flags: CompletionFlags::default(),
            payload: Payload::Absent,
            extents: Vec::new(),
        };
        for kind in [EventKind::Issue(issue), EventKind::Block(block)] {
            writer.append(Entry { event: Event { time, kind }, data: None }).unwrap();
        }
        if place % 1000 == 999 {
            writer.flush().unwrap();
        }
    }
    let time = Nanos(count * 1000);
    let ended = Event { time, kind: EventKind::End { status: Some(0) } };
    writer.append(Entry { event: ended, data: None }).unwrap();
    writer.finish().unwrap().0.into_inner()
}

#[test]
fn where_ids_are_missing_findings_lie_at_their_requests_all_the_same() {
    let gaps = file(&beyond_the_end(30));
    assert_eq!(agrees(gaps.path()), 30);
}

#[test]
fn of_very_many_findings_of_a_rule_the_first_are_listed_and_all_are_counted() {
    let many = file(&beyond_the_end(5000));
    let mut inspector = Inspector::of(many.path(), 80, 24);
    inspector.press("9 G");
    let screen = inspector.screen();
    assert!(screen.contains(" 5,000 findings: *5,000 warn"), "{screen}");
    assert!(screen.contains("of 5,000 findings beyond-end the first 4,096 are listed"), "{screen}");
    assert_eq!(inspector.desk.app.findings.listed(None).found.len() as u64, KEPT);
    inspector.press("1 G W");
    assert_eq!(inspector.desk.app.requests.focus(), KEPT - 1);
}

#[test]
fn behind_what_is_damaged_findings_are_looked_for_as_check_does() {
    let trace = damaged();
    let damaged = file(&trace);
    let (expected, unknown) = expected(&trace);
    assert!(expected.iter().any(|line| line.starts_with("events-lost")), "{expected:?}");
    let mut inspector = Inspector::of(damaged.path(), 120, 40);
    inspector.press("9");
    let listed = inspector.desk.app.findings.listed(None);
    let mut lines: Vec<_> = listed.found.iter().map(|found| line(&found.finding)).collect();
    lines.sort();
    assert_eq!(lines, expected);
    assert_eq!(listed.notes, unknown);
    inspector.press("G");
    assert!(inspector.screen().contains("of the whole trace"), "{}", inspector.screen());
    inspector.press("enter");
    assert_eq!(inspector.message(), "this is about no request");
    inspector.press("=");
    assert_eq!(inspector.message(), "this is about no request");
}

#[test]
fn of_a_cut_trace_the_last_finding_says_that_it_is_cut() {
    let whole = story::trace();
    let cut = file(&whole[..whole.len() * 2 / 3]);
    agrees(cut.path());
    let mut inspector = Inspector::of(cut.path(), 120, 40);
    inspector.press("9 G");
    assert!(inspector.screen().contains("── f10 cut"), "{}", inspector.screen());
}

#[test]
fn a_trace_without_requests_has_no_findings_and_says_so() {
    let empty = file(&story::empty());
    let mut inspector = Inspector::of(empty.path(), 80, 24);
    inspector.press("9 j G w W enter = minus");
    let screen = inspector.screen();
    assert!(screen.contains("  no findings"), "{screen}");
    assert!(screen.lines().next().unwrap().contains("no findings"), "{screen}");
    inspector.press("1 w");
    assert_eq!(inspector.message(), "there is no finding behind this request");
}

#[test]
fn w_goes_from_finding_to_finding_in_any_view_and_says_what_each_is() {
    let mut inspector = Inspector::new(120, 40);
    inspector.press(": '120' enter w");
    assert_eq!(inspector.focused(), FAILED);
    let message = inspector.message().to_owned();
    assert!(message.starts_with("! f2 write 135266304+4096 got EIO: it failed"), "{message}");
    assert_eq!(inspector.desk.app.view, View::Requests);
    assert!(message.ends_with(", and 1 more"), "{message}");
    inspector.press("w");
    assert_eq!(inspector.focused(), 122);
    assert!(inspector.message().starts_with("* f8 read 8192+4096"), "{}", inspector.message());
    inspector.press("9 w");
    assert_eq!(inspector.focused(), RETRY);
    inspector.press("W W");
    assert_eq!(inspector.focused(), FAILED);
    assert_eq!(inspector.desk.app.view, View::Findings);
    assert!(inspector.screen().contains("── f2 error-reply"), "{}", inspector.screen());
    inspector.press("1 g W");
    assert_eq!(inspector.message(), "there is no finding before this request");
    inspector.press("G w");
    assert_eq!(inspector.message(), "there is no finding behind this request");
}

#[test]
fn enter_goes_to_the_request_of_a_finding_and_its_detail_has_the_finding() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("9 : '121' enter enter");
    assert_eq!((inspector.desk.app.view, inspector.focused()), (View::Requests, FAILED));
    let screen = inspector.screen();
    assert!(screen.contains(" finding  ! f2 write 135266304+4096 got EIO: it failed"), "{screen}");
    inspector.press("k");
    assert!(!inspector.screen().contains("! f2"), "{}", inspector.screen());
    let mut before = Inspector::new(80, 24);
    before.press("e");
    assert!(!before.screen().contains("finding  "), "nobody looked for them");
}

#[test]
fn the_list_follows_the_focus_and_stays_at_the_finding_that_was_picked() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("9 G");
    let last = inspector.desk.app.requests.focus();
    inspector.press("g");
    assert!(inspector.desk.app.requests.focus() < last);
    inspector.press("space space b ctrl-d ctrl-u k j");
    let app = &inspector.desk.app;
    let listed = app.findings.listed(None);
    let at = app.findings.at(&listed, app.requests.focus());
    assert_eq!(listed.found[at].place, app.requests.focus());
    inspector.press("1 g e 9");
    assert!(inspector.screen().contains("── f2 error-reply"), "{}", inspector.screen());
}

#[test]
fn a_filter_leaves_findings_of_other_requests_out_and_a_finding_makes_a_filter() {
    let mut inspector = Inspector::new(100, 30);
    inspector.press("9");
    let all = inspector.desk.app.findings.listed(None).found.len();
    inspector.press("f 'err' enter");
    let screen = inspector.screen();
    assert!(screen.contains("2 of requests that the filter shows"), "{screen}");
    assert!(screen.contains("── f2 error-reply"), "{screen}");
    inspector.press("j j G");
    assert_eq!(inspector.focused(), FAILED);
    inspector.press("w");
    assert_eq!(inspector.message(), "there is no finding behind this request");
    inspector.press("f ctrl-u 'block_status' enter");
    let screen = inspector.screen();
    assert!(screen.contains("no request that the filter shows has a finding"), "{screen}");
    inspector.press("backspace : '124' enter =");
    assert_eq!(inspector.desk.app.filtering.text(), format!("id in {{{FAILED}, {RETRY}}}"));
    assert_eq!(inspector.shown(), 2);
    inspector.press("minus");
    assert_eq!(
        inspector.desk.app.filtering.text(),
        format!("id in {{{FAILED}, {RETRY}}} && id != {RETRY}")
    );
    inspector.press("backspace backspace");
    assert_eq!(inspector.desk.app.findings.listed(None).found.len(), all);
}

#[test]
fn a_search_that_is_stopped_wears_a_mark_and_begins_anew_when_it_is_wanted_again() {
    let mut inspector = Inspector::new(100, 30);
    // Nothing is heard before esc.
    for key in ["9", "esc"] {
        assert_eq!(inspector.desk.app.press(key.parse().unwrap()), None);
    }
    inspector.settle();
    assert_eq!(inspector.message(), "findings were not looked for any further; 9 begins anew");
    let screen = inspector.screen();
    assert!(screen.contains("~0") && screen.contains("it was cancelled"), "{screen}");
    assert!(screen.lines().next().unwrap().contains("~0 findings"), "{screen}");
    inspector.press("9");
    assert!(inspector.desk.app.findings.is_done);
    assert_eq!(inspector.desk.app.findings.count(), 45);
    let screen = inspector.screen();
    assert!(screen.contains(" 45 findings: !1") && !screen.contains("cancelled"), "{screen}");
}

#[test]
fn of_several_devices_each_finding_names_its_own() {
    let mut inspector = Inspector::of(&path("native/two-devices.blkr"), 120, 24);
    inspector.press("9 j");
    let screen = inspector.screen();
    assert!(screen.contains("on disk: write 0+512: it does not fit"), "{screen}");
    assert!(screen.contains(" on journal: write 512+512: it does not fit"), "{screen}");
}

#[test]
fn a_trace_that_is_gone_says_why_there_are_no_findings() {
    let gone = file(&story::trace());
    let mut inspector = Inspector::of(gone.path(), 120, 24);
    drop(gone);
    inspector.press("9");
    assert!(inspector.screen().contains("cannot open the trace once more"));
    inspector.press("1 w");
    assert!(inspector.message().starts_with("findings: cannot open the trace once more"));
}

#[test]
fn whatever_the_size_findings_are_drawn_and_nothing_breaks() {
    let mut inspector = Inspector::new(80, 24);
    inspector.press("9 G");
    for (width, height) in [(1, 1), (0, 0), (3, 2), (17, 5), (59, 14), (60, 15), (300, 100)] {
        inspector.terminal.backend_mut().resize(width, height);
        inspector.press("g G k");
    }
}
