//! Targets that take a damaged trace: whatever it is, what `recover` makes of it is whole.
//!
//! Invariant: a failed assertion here is a bug of ours, never of the input.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;

use blkreplay_core::event::{Event, EventKind, Payload};
use blkreplay_core::format::{
    Depth, Finding, Fresh, Gap, Header, Inspector, Level, Observer, Reader, check, recover,
};
use blkreplay_core::view::findings::Findings;

/// What requests are is not changed by a recovery, which does not join them: these faults of the old trace are in
/// the new one, too.
const OF_REQUESTS: [&str; 6] = [
    "request-id",
    "block-without-issue",
    "block-twice",
    "block-differs",
    "too-many-open",
    "payload-length",
];

/// Counts what is wrong beside requests.
#[derive(Default)]
struct Ear {
    faults: Vec<String>,
    /// Faults of any kind.
    all: u64,
    /// What is worth a look, behind damage too.
    findings: Option<Findings>,
}

impl Inspector for Ear {
    fn finding(&mut self, finding: Finding) -> ControlFlow<()> {
        assert!(!finding.fault.to_string().is_empty());
        let code = finding.fault.code();
        self.all += u64::from(finding.fault.level() == Level::Fault);
        if finding.fault.level() == Level::Fault && !OF_REQUESTS.contains(&code) {
            self.faults.push(format!("{code} at {}: {}", finding.place, finding.fault));
        }
        ControlFlow::Continue(())
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of);
        ControlFlow::Continue(())
    }

    fn header(&mut self, header: &Header) {
        self.findings = Some(Findings::new(header).expect("every rule is a filter"));
    }

    fn event(&mut self, index: u64, event: &Event) {
        if let Some(findings) = &mut self.findings {
            findings.push(index, event);
            findings.take().for_each(|finding| assert!(!finding.to_string().is_empty()));
        }
    }

    fn passed_over(&mut self, index: u64) {
        if let Some(findings) = &mut self.findings {
            findings.pass_over(index);
        }
    }
}

impl Observer for Ear {
    fn gap(&mut self, gap: &Gap) {
        assert!(!gap.to_string().is_empty());
    }

    fn walked(&mut self, bytes: u64, of: u64) -> ControlFlow<()> {
        assert!(bytes <= of);
        ControlFlow::Continue(())
    }
}

/// An event without the number of its payload, and without the difference between data that are there and data
/// that were lost.
fn plain(mut event: Event) -> Event {
    if let EventKind::Issue(issue) = &mut event.kind {
        issue.payload = Payload::Absent;
    }
    if let EventKind::Block(block) = &mut event.kind {
        block.payload = Payload::Absent;
    }
    event
}

/// The events that can be read, and whether that is all.
fn heard(input: &[u8]) -> Option<(BTreeMap<u64, Event>, bool)> {
    let mut reader = Reader::open(Cursor::new(input)).ok()?;
    let mut events = BTreeMap::new();
    while let Some((index, event)) = reader.next_event().ok()? {
        events.insert(index, plain(event));
    }
    Some((events, reader.loss().is_none()))
}

/// Checks it and recovers it. What comes out has no fault of its own, and every event that can be read.
pub(crate) fn rescue(input: &[u8]) {
    let mut ear = Ear::default();
    let checked = check(Cursor::new(input), Depth::Data, &mut ear);
    if let Some(findings) = &mut ear.findings {
        findings.finish();
        assert!(findings.take().all(|finding| !finding.to_string().is_empty()));
    }
    let fresh = Fresh { salt: 7, uuid: 8, tool: "fuzz" };
    let recovered = recover(Cursor::new(input), Vec::new(), fresh, &mut Ear::default());
    let Ok((out, report)) = recovered else { return };
    if checked.is_ok() && ear.all == 0 {
        assert!(!report.lost_something(), "nothing was wrong");
    }
    let (kept, whole) = heard(&out).expect("what was recovered can be read");
    assert!(whole, "what was recovered is whole");
    if let Some((events, _)) = heard(input) {
        for (index, event) in events {
            assert_eq!(kept.get(&index), Some(&event), "event {index} could be read");
        }
    }
    let mut ear = Ear::default();
    check(Cursor::new(&out), Depth::Data, &mut ear).expect("what was recovered can be checked");
    assert!(ear.faults.is_empty(), "{:?}", ear.faults);
}
