//! What statistics look like: totals come in, tables and JSON go out.
//!
//! `text` tells of one trace, `side` of several, `by` adds a table by a field, `json` tells programs, `log` tells of QEMU logs.
//! Invariant: where standard output is no terminal there are no bars, and no colour unless it was asked for.

mod bars;
mod by;
/// One object a trace, for programs.
pub(crate) mod json;
/// A QEMU log.
pub(crate) mod log;
/// Several traces side by side.
pub(crate) mod side;
/// One trace.
pub(crate) mod text;

use std::path::PathBuf;

use blkreplay_core::format::Loss;
use blkreplay_core::query::Field;
use blkreplay_core::units::{Nanos, Size};
use blkreplay_core::view::stats::{Largest, Stats};

use super::Devices;

/// What was counted in a trace.
#[derive(Debug)]
pub(crate) struct Counted {
    pub(crate) name: PathBuf,
    /// `--filter`, if only some requests were counted.
    pub(crate) filter: Option<String>,
    pub(crate) devices: Devices,
    pub(crate) stats: Stats,
    pub(crate) by: Option<ByField>,
    pub(crate) loss: Option<Loss>,
}

/// The groups that `--by` asked for.
#[derive(Debug)]
pub(crate) struct ByField {
    pub(crate) field: &'static Field,
    pub(crate) largest: Largest,
}

/// What may be used to show numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Colours.
    pub(crate) colored: bool,
    /// Bars and sparklines.
    pub(crate) bars: bool,
}

/// A span; a dash where there is none.
fn span(nanos: Option<u64>) -> String {
    nanos.map_or_else(|| "-".to_owned(), |nanos| Nanos(nanos).to_string())
}

/// A size; a dash for nothing.
fn size(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { Size(bytes).to_string() }
}

/// A part of a whole, in percent; a dash of nothing.
fn percent(part: u64, whole: u64) -> String {
    fraction(part, whole).map_or_else(|| "-".to_owned(), |part| format!("{:.0}", part * 100.0))
}

#[expect(clippy::cast_precision_loss, reason = "few digits are printed")]
fn fraction(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Bytes a second in MiB; a dash of nothing.
#[expect(clippy::cast_precision_loss, reason = "one digit behind the point is printed")]
fn mib_a_second(bytes: u64, time: Nanos) -> String {
    match (bytes, time.0) {
        (0, _) | (_, 0) => "-".to_owned(),
        _ => format!("{:.1}", bytes as f64 / f64::from(1 << 20) * 1e9 / time.0 as f64),
    }
}
