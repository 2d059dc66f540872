//! One finding: which rule, where, and in words.
//!
//! Invariant: what a finding names is in the trace.

use std::fmt;

use super::rules::Rule;
use crate::request::{DeviceId, RequestId};
use crate::units::{ByteRange, Nanos};

/// Something that was found in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub rule: &'static Rule,
    /// The request it is about.
    pub request: Option<RequestId>,
    /// Its device.
    pub device: Option<DeviceId>,
    /// Another request that it has to do with.
    pub other: Option<RequestId>,
    /// Index of the event at which it lies.
    pub event: u64,
    /// When, on the recording's clock.
    pub time: Nanos,
    /// The range of the request.
    pub range: Option<ByteRange>,
    /// What the rule's sentence does not say, such as the operation and its result; may be empty.
    pub detail: String,
}

/// The sentence.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.detail.is_empty() {
            write!(f, "{}: ", self.detail)?;
        }
        f.write_str(self.rule.sentence)
    }
}
