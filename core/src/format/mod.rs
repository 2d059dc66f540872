//! The trace file. `book/src/reference/format.md` is normative.

mod header;

pub use header::{
    DeviceHeader, ExportHeader, Fingerprint, FingerprintMethod, Header, LimitsHeader, PayloadPolicy,
};
