//! A trace in canonical text: device after device, epoch after epoch. A trace comes in, lines go out.
//!
//! What a line looks like is `output`'s. Invariant: memory holds one epoch of one device.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use blkreplay_core::format::Loss;
use blkreplay_core::request::DeviceId;
use blkreplay_core::rows::{Joiner, Rows};

use crate::chosen::Chosen;
use crate::lines::Stop;
use crate::output::Devices;
use crate::output::canonical::{self, Canonical};
use crate::trace::{self, Trace};

/// Prints device after device, each from the beginning of the trace: so the lines of one do not depend on
/// when another was busy, and memory holds one epoch of one device. No more than `limit` lines of requests.
pub(crate) fn print(
    path: &Path,
    trace: Trace,
    chosen: Option<&Chosen>,
    limit: Option<u64>,
    out: &mut dyn Write,
) -> Result<Option<Loss>, Stop> {
    let mut left = limit.unwrap_or(u64::MAX);
    let devices = Devices::of(trace.header());
    for line in canonical::head(&devices) {
        writeln!(out, "{line}")?;
    }
    let first = DeviceId(0);
    let (mut others, loss) =
        print_device(trace, Canonical::new(&devices, first), first, chosen, &mut left, out)?;
    while let Some(device) = others.pop_first() {
        let again = trace::open(path).map_err(Stop::Again)?;
        print_device(again, Canonical::new(&devices, device), device, chosen, &mut left, out)?;
    }
    Ok(loss)
}

/// Prints one device; gives the others that occur, and what is missing.
fn print_device(
    trace: Trace,
    mut canonical: Canonical<'_>,
    device: DeviceId,
    chosen: Option<&Chosen>,
    left: &mut u64,
    out: &mut dyn Write,
) -> Result<(BTreeSet<DeviceId>, Option<Loss>), Stop> {
    let mut others = BTreeSet::new();
    let joiner = chosen.map_or_else(Joiner::new, Chosen::joiner);
    let mut rows = Rows::joined_by(joiner, trace);
    let mut print = |epoch: Vec<String>, left: &mut u64| {
        let lines = usize::try_from(*left).unwrap_or(usize::MAX).min(epoch.len());
        *left -= lines as u64;
        epoch[..lines].iter().try_for_each(|line| writeln!(out, "{line}"))
    };
    while *left > 0
        && let Some(row) = rows.next_row()?
    {
        if row.device == device {
            if chosen.is_some_and(|chosen| !chosen.takes(&row)) {
                continue;
            }
            print(canonical.request(&row), left)?;
        } else {
            others.insert(row.device);
        }
    }
    print(canonical.finish(), left)?;
    Ok((others, rows.loss()))
}
