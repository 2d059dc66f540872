//! QEMU logs: events and counts that agree with what was decoded by others, and words where the format holds nothing.

use std::ops::ControlFlow;

use blkreplay_core::qemu::{self, Layout, LogFault, LogFinding, LogInspector, LogPlace};
use blkreplay_fixtures::bytes;

use super::Inspector;
use crate::action::View;
use crate::app::Effect;
use crate::events::log::Known;

/// A log that QEMU wrote, or what was made of one.
pub(super) fn log(name: &str) -> Vec<u8> {
    zstd::decode_all(&bytes(&format!("qemu/logs/{name}.rr.zst"))[..]).unwrap()
}

fn of(name: &str, label: &str) -> Inspector {
    Inspector::of_log(&log(name), label, 80, 24)
}

/// The value of a member of a JSON object that has numbers and short texts.
fn member<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("\"{name}\": "))?;
    rest.split([',', '}']).next().map(|value| value.trim_matches('"'))
}

#[test]
fn events_are_where_an_independent_decoder_has_them() {
    for (name, label) in
        [("q100-fix-a1", "0c/v8.0"), ("q52-boot_a", "0a/v5.1"), ("q111-boot_a", "0e/v11.1")]
    {
        let wanted =
            zstd::decode_all(&bytes(&format!("qemu/logs/{name}.rr.jsonl.zst"))[..]).unwrap();
        let wanted = String::from_utf8(wanted).unwrap();
        let mut inspector = Inspector::of_log(&log(name), label, 60, 500);
        inspector.press("1 g");
        assert_eq!(inspector.desk.app.events.len(), wanted.lines().count() as u64, "{name}");
        for (index, line) in (0..).zip(wanted.lines()) {
            inspector.desk.app.events.focus_on(index);
            if inspector.desk.app.events.focused().is_none() {
                inspector.settle();
            }
            let event = inspector.desk.app.events.focused().unwrap();
            let number = |name| member(line, name).map(|value| value.parse::<u64>().unwrap());
            assert_eq!(event.at, number("at"), "{name} {line}");
            assert_eq!(event.icount, number("icount"), "{name} {line}");
            if let Some(value) = member(line, "value") {
                assert!(event.words().ends_with(value), "{event:?} {line}");
            }
            if member(line, "ev").is_some_and(|kind| kind.ends_with("BLOCK")) {
                assert_eq!(event.request.map(|(id, _)| id.0), number("id"), "{line}");
            }
        }
    }
}

#[test]
fn the_statistics_are_those_of_an_independent_decoder() {
    for (name, label) in [("q72-boot_b", "0c/v8.0"), ("q52-boot_a", "0a/v5.1")] {
        let mut inspector = of(name, label);
        inspector.press("5");
        let screen = inspector.screen();
        let summary = String::from_utf8(bytes(&format!("qemu/logs/{name}.rr.summary"))).unwrap();
        for line in summary.lines().skip(1) {
            let (count, kind) = line.trim().split_once(' ').unwrap();
            let drawn = screen.lines().find(|line| line.split_whitespace().next() == Some(kind));
            let drawn = drawn.unwrap_or_else(|| panic!("{kind}\n{screen}"));
            let found = drawn.split_whitespace().nth(1).unwrap().replace(',', "");
            assert_eq!(found, count, "{name} {kind}");
        }
    }
}

#[test]
fn a_log_opens_in_its_checkpoints_and_goes_to_events_and_back() {
    let mut inspector = of("q100-boot_a", "0c/v8.0");
    assert_eq!(inspector.desk.app.view, View::Checkpoints);
    inspector.press("enter");
    assert_eq!(inspector.desk.app.view, View::Requests);
    assert!(inspector.desk.app.lists_events());
    inspector.press("enter");
    assert_eq!(inspector.desk.app.view, View::Checkpoints);
    inspector.press(": '#5' enter");
    let event = inspector.desk.app.events.focused().unwrap();
    assert_eq!((event.kind, event.words()), ("block", "#5"));
    inspector.press(": '#4242' enter");
    assert_eq!(inspector.message(), "#4242 is not completed in this log");
    inspector.press("1 : 'event:12' enter %");
    assert_eq!(inspector.message(), "this event is no end of a request");
    inspector.press(": '#5' enter %");
    assert!(inspector.message().starts_with("a QEMU log does not say when #5 was issued"));
    let index = inspector.desk.app.events.focus();
    let command = format!("blkreplay print vm.rr --at event:{index} -n 1");
    assert_eq!(inspector.press("y c"), Some(Effect::Copy(command)));
    let line = inspector.desk.app.events.focused().unwrap().text().to_owned();
    assert_eq!(inspector.press("y l"), Some(Effect::Copy(line)));
    assert_eq!(inspector.press("esc"), None);
    assert_eq!(inspector.press("q"), Some(Effect::Quit));
}

#[test]
fn what_a_log_does_not_hold_is_said_in_every_view() {
    for (keys, text) in [
        ("2", "A QEMU log has no offsets and no lengths: there is no map."),
        ("3", "A QEMU log has no times: there are no latencies."),
        ("6", "A QEMU log does not tell flushes from other requests:"),
        ("8", "compared event by event by blkreplay diff BASE NEW, which says"),
        ("9", "0 found, as blkreplay check finds them  QEMU replays a log like this one"),
    ] {
        for (width, height) in [(200, 60), (80, 24), (40, 10)] {
            let mut inspector = Inspector::of_log(&log("q100-fix-a1"), "0c/v8.0", width, height);
            inspector.press(keys);
            let screen = inspector.screen();
            let told: Vec<&str> = screen.split_whitespace().collect();
            let wanted: Vec<&str> = text.split_whitespace().collect();
            let is_told = told.windows(wanted.len()).any(|words| words == wanted);
            assert!(is_told || width < 80 && keys == "9", "{width}x{height} {keys}\n{screen}");
            inspector.press("j k g G l h enter esc");
        }
    }
    let mut inspector = of("q100-fix-a1", "0c/v8.0");
    for keys in ["f", "=", "minus", "backspace"] {
        inspector.press(keys);
        assert!(inspector.message().starts_with("a filter is about requests"), "{keys}");
        assert!(inspector.desk.app.over.is_none());
    }
    for keys in ["e", ".", "/", "n"] {
        inspector.press(keys);
        assert!(inspector.message().starts_with("this is a QEMU log: of requests"), "{keys}");
    }
    inspector.press("o");
    assert_eq!(inspector.message(), "a QEMU log has no offsets and no times, and no map");
}

/// Keeps what is found.
struct Kept(Vec<LogFinding>);

impl LogInspector for Kept {
    fn finding(&mut self, finding: LogFinding) -> ControlFlow<()> {
        self.0.push(finding);
        ControlFlow::Continue(())
    }

    fn read(&mut self, _: u64, _: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

#[test]
fn damaged_logs_have_the_findings_of_check_and_say_where_they_stop() {
    for name in ["q100-flip-blockid", "q100-flip-eventid", "q100-trunc-half", "q100-killed"] {
        let log = log(name);
        let mut kept = Kept(Vec::new());
        let checked = qemu::check(std::io::Cursor::new(&log[..]), None, &mut kept).unwrap();
        kept.0.sort_by_key(|finding| finding.place.event);
        let label = checked.survey.layout.label;
        let mut inspector = Inspector::of_log(&log, label, 120, 40);
        let reading = inspector.desk.app.log.as_ref().unwrap();
        let events = |findings: &[LogFinding]| -> Vec<(u64, &'static str)> {
            findings.iter().map(|one| (one.place.event, one.fault.code())).collect()
        };
        assert!(!kept.0.is_empty(), "{name}");
        assert_eq!(events(reading.findings()), events(&kept.0), "{name}");
        assert_eq!(inspector.desk.app.events.len(), checked.survey.tally.events, "{name}");
        let banner = inspector.desk.app.banner.clone();
        let told = checked.survey.stop.map(|stop| format!("{stop}: {}", stop.meaning()));
        assert_eq!(banner, told, "{name}");
        inspector.press("9 G");
        let last = kept.0.last().unwrap();
        let screen = inspector.screen();
        assert!(screen.contains(last.fault.code()), "{screen}");
        inspector.press("enter");
        assert_eq!(inspector.desk.app.view, View::Requests);
        let at = last.place.event.min(checked.survey.tally.events - 1);
        assert_eq!(inspector.desk.app.events.focus(), at, "{name}");
    }
}

#[test]
fn findings_are_gone_to_from_any_view() {
    let mut inspector = of("q100-flip-blockid", "0c/v8.0");
    inspector.press("1 g w");
    assert!(inspector.message().contains("block-twice"), "{}", inspector.message());
    let first = inspector.desk.app.events.focus();
    inspector.press("w w w");
    assert_eq!(inspector.message(), "nothing was found behind this event");
    inspector.press("g");
    inspector.press("W");
    assert_eq!(inspector.message(), "nothing was found before this event");
    assert!(first > 0);
}

#[test]
fn each_of_several_findings_of_one_event_is_gone_to() {
    let mut inspector = of("q100-fix-a1", "0c/v8.0");
    for (event, id) in [(3, 1), (7, 2), (7, 3), (7, 4), (9, 5)] {
        let place = LogPlace { event, ..LogPlace::default() };
        let fault = LogFault::BlockTwice { id };
        inspector.desk.app.known(Known::Found(LogFinding { place, fault }));
    }
    inspector.press("1 : 'event:5' enter");
    let mut goes = |keys: &str, event, id| {
        inspector.press(keys);
        assert_eq!(inspector.desk.app.events.focus(), event, "{keys} to {id}");
        let words = format!("request {id} is completed a second time");
        assert!(inspector.message().contains(&words), "{keys}: {}", inspector.message());
    };
    goes("w", 7, 2);
    goes("w", 7, 3);
    goes("w", 7, 4);
    goes("w", 9, 5);
    goes("W", 7, 4);
    goes("W", 7, 3);
    goes("W", 7, 2);
    goes("W", 3, 1);
    goes(": 'event:7' enter w", 9, 5);
    inspector.press("w");
    assert_eq!(inspector.message(), "nothing was found behind this event");
}

#[test]
fn a_log_without_an_event_is_no_empty_box() {
    let header = &log("q100-fix-a1")[..12];
    for (width, height) in [(80, 24), (40, 10), (3, 2), (1, 1), (0, 0)] {
        let mut inspector = Inspector::of_log(header, "0c/v8.0", width, height);
        for keys in ["1", "7", "9", "2", "5", "enter", "j", "G", "h", "w", "%", "y l"] {
            inspector.press(keys);
        }
        inspector.press("7");
        if width == 80 {
            assert!(inspector.screen().contains("there are no checkpoints in this log"));
            inspector.press("1");
            assert!(inspector.screen().contains("there are no events in this log"));
        }
    }
    assert!(Layout::named("0c/v8.0").is_some());
}
