//! The header of a merged trace. Those of its parts come in, one goes out.
//!
//! Invariants: devices and exports stand in the order of the parts, each with a name of its own; where parts differ, the
//! header says no more than holds for all of them.

use std::collections::HashSet;

use crate::format::{
    AnonymizedHeader, DeviceHeader, Edits, ExportHeader, Header, LimitsHeader, MergedHeader,
    PayloadPolicy,
};
use crate::limits::DEVICES_MAX;
use crate::units::Nanos;

/// A trace that is to be merged, as its header and its survey tell.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its header.
    pub header: Header,
    /// Its uuid, as UUIDs are printed.
    pub uuid: String,
    /// Its file, as it was named.
    pub file: String,
    /// Its requests.
    pub requests: u64,
    /// Exit status of its recorded command.
    pub status: Option<u8>,
    /// What is added to its times.
    pub shift: Nanos,
}

/// Why headers cannot be joined.
#[derive(Debug, thiserror::Error, Clone, Copy, PartialEq, Eq)]
pub enum JoinError {
    /// There are too many devices.
    #[error("they have {found} devices together, at most {DEVICES_MAX} are allowed")]
    Devices {
        /// How many.
        found: usize,
    },
    /// Digests of some are tokens, and of others not, or they were made with different keys.
    #[error("their digests cannot be compared: not all were anonymized with one key")]
    Tokens,
}

/// The header of what `parts` are together. `own` says the tool, the command line and the wall clock.
pub fn join(own: &Header, parts: &[Part]) -> Result<Header, JoinError> {
    let found = parts.iter().map(|part| part.header.devices.len()).sum();
    if found > DEVICES_MAX {
        return Err(JoinError::Devices { found });
    }
    let anonymized = same_tokens(parts)?;
    let mut names = HashSet::new();
    let mut exported = HashSet::new();
    let mut header = Header {
        payload: weakest(parts),
        devices: Vec::with_capacity(found),
        exports: Vec::new(),
        limits: largest(parts),
        recovered: None,
        replay: None,
        edits: Edits { anonymized, ..Edits::default() },
        ..own.clone()
    };
    for part in parts {
        let first = header.devices.len();
        for device in &part.header.devices {
            let name = unique(&device.name, &mut names);
            header.devices.push(DeviceHeader { name, ..device.clone() });
        }
        for export in &part.header.exports {
            let device = u16::try_from(first + usize::from(export.device)).unwrap_or(u16::MAX);
            let names = export_names(export, device, &mut exported);
            header.exports.push(ExportHeader { names, device, ..export.clone() });
        }
        let devices = header.devices[first..].iter().map(|device| device.name.clone()).collect();
        header.edits.merged.push(merged(part, devices));
    }
    Ok(header)
}

fn merged(part: &Part, devices: Vec<String>) -> MergedHeader {
    let Part { header, uuid, file, requests, status, shift } = part;
    MergedHeader {
        of: uuid.clone(),
        file: file.clone(),
        tool: header.tool.clone(),
        command: header.command.clone(),
        devices,
        requests: *requests,
        shift: shift.0,
        status: *status,
        recovered: header.recovered.clone(),
        replay: header.replay.clone(),
        sliced: header.edits.sliced.clone(),
    }
}

/// What is known of data of all of them.
fn weakest(parts: &[Part]) -> PayloadPolicy {
    let mut policies = PayloadPolicy::NAMES.into_iter().map(|(policy, _)| policy);
    let some_have = |policy: &PayloadPolicy| parts.iter().any(|it| it.header.payload == *policy);
    policies.find(some_have).unwrap_or(PayloadPolicy::None)
}

fn largest(parts: &[Part]) -> LimitsHeader {
    let limits = || parts.iter().map(|part| part.header.limits);
    LimitsHeader {
        request_data_bytes: limits().map(|it| it.request_data_bytes).max().unwrap_or(0),
        connection_requests: limits().map(|it| it.connection_requests).max().unwrap_or(0),
    }
}

fn same_tokens(parts: &[Part]) -> Result<Option<AnonymizedHeader>, JoinError> {
    let made = |part: &Part| part.header.edits.anonymized.clone();
    let first = parts.first().and_then(made);
    let key = |made: Option<AnonymizedHeader>| made.map(|made| made.key);
    if parts.iter().any(|part| key(made(part)) != key(first.clone())) {
        return Err(JoinError::Tokens);
    }
    Ok(first)
}

/// `name`, or `name-2` and so on if that is taken.
fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2_u64..).map(|number| format!("{name}-{number}"));
    let mut candidates = std::iter::once(name.to_owned()).chain(numbered);
    candidates.find(|name| taken.insert(name.clone())).unwrap_or_default()
}

/// The names of an export that no earlier one has, and the number of its device.
fn export_names(export: &ExportHeader, device: u16, taken: &mut HashSet<String>) -> Vec<String> {
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let own = export.names.iter().filter(|name| !is_number(name)).cloned();
    own.chain([device.to_string()]).filter(|name| taken.insert(name.clone())).collect()
}
