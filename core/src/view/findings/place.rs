//! Where a finding lies, and how one is put together.
//!
//! Invariant: the name of a rule that is not in the table makes no finding, and a test tries all names that are used.

use super::finding::Finding;
use super::rules::Rule;
use crate::request::{DeviceId, RequestId};
use crate::units::{ByteRange, Nanos};

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    /// Index of an event.
    pub(super) event: u64,
    /// Its time.
    pub(super) time: Nanos,
}

/// A finding in the making.
#[derive(Debug)]
pub(super) struct Making(Option<Finding>);

impl Place {
    /// A finding of the rule of this name.
    pub(super) fn finding(self, name: &str, detail: String) -> Making {
        let rule = Rule::named(name);
        debug_assert!(rule.is_some(), "{name} is in the table");
        Making(rule.map(|rule| self.finding_of(rule, detail)))
    }

    pub(super) fn finding_of(self, rule: &'static Rule, detail: String) -> Finding {
        Finding {
            rule,
            request: None,
            device: None,
            other: None,
            event: self.event,
            time: self.time,
            range: None,
            detail,
        }
    }
}

impl Making {
    fn change(mut self, change: impl FnOnce(&mut Finding)) -> Making {
        self.0.as_mut().map(change);
        self
    }

    /// It is about this device.
    pub(super) fn on(self, device: DeviceId) -> Making {
        self.change(|finding| finding.device = Some(device))
    }

    /// It is about this request.
    pub(super) fn about(self, id: RequestId, device: DeviceId) -> Making {
        self.on(device).change(|finding| finding.request = Some(id))
    }

    /// It is about this request, which has a range unless that is empty.
    pub(super) fn of(self, id: RequestId, device: DeviceId, range: ByteRange) -> Making {
        self.about(id, device).change(|finding| finding.range = (range.length > 0).then_some(range))
    }

    /// It has to do with this other request.
    pub(super) fn with(self, other: RequestId) -> Making {
        self.change(|finding| finding.other = Some(other))
    }
}

impl IntoIterator for Making {
    type Item = Finding;
    type IntoIter = std::option::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
