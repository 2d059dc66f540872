//! A replay with its client: the COMMAND runs again, behind the same front. A [`Setup`] and the words of the COMMAND
//! come in, the account of the replay goes out.
//!
//! It decides nothing about order. Invariants: the COMMAND is told where the disks are in the same ways as when it was
//! recorded; whatever happens it is waited for.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use blkreplay_core::device::Geometry;
use blkreplay_core::engine::{Disk, Engine, ReplayError, Replayed};
use blkreplay_core::format::{ExportHeader, Header};
use blkreplay_core::nbd::{self, Export};

use crate::child::{Ended, Places, RecordedCommand, Speaks};
use crate::control::Control;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::rerun::{self, Done, Rerun, Setup};
use crate::session;
use crate::signals::{self, Signals};
use crate::socket::{Endpoint, Reach};

/// Runs the COMMAND on the disks of the trace; `None` if somebody interrupted it.
pub(crate) fn run(
    setup: &Setup,
    words: &[OsString],
    printer: &Printer,
) -> Result<Option<Done>, Failure> {
    let signals =
        Signals::catch().map_err(|error| Failure::because("cannot catch signals", error))?;
    let (endpoint, listener) = Endpoint::listen(None, Reach::Loopback)?;
    let (control_place, control) = endpoint.listen_for_control()?;
    let rerun = Rerun::prepare(setup, printer)?;
    let places = Places {
        control: Some(control_place.path.as_os_str().to_owned()),
        ..endpoint.places(rerun.disks.len())
    };
    let command = RecordedCommand::new(words, &places)?;
    let exports = exports(&rerun.header, &rerun.disks)?;
    let _control = Control::start(control, &rerun.engine)
        .map_err(|error| Failure::because("cannot serve the control socket", error))?;
    let _asked = signals::tell_when_asked(&rerun.engine, printer)?;
    let Rerun { images, engine, disks, player, .. } = rerun;
    drop(disks);
    let server = session::start_server(listener, exports, None, printer)?;
    let over = Arc::new(AtomicBool::new(false));
    let playing = thread::Builder::new().name("replay".to_owned()).spawn({
        let over = Arc::clone(&over);
        move || {
            let outcome = player.run(&AtomicBool::new(false), &mut |_| {});
            over.store(true, Ordering::SeqCst);
            outcome
        }
    });
    let playing = playing.map_err(|error| Failure::because("cannot begin to replay", error))?;
    let unwanted = || over.load(Ordering::SeqCst) || engine.replay_is_decided();
    let ended = command.run_while(Speaks::ToStdout, &signals, Some(&unwanted))?;
    if ended.interrupted || ended.trouble.is_some() {
        engine.stop_replay();
    }
    server.begin_stop();
    engine.no_more_clients();
    let outcome = playing.join().unwrap_or(Err(ReplayError::Interrupted { requests: 0 }));
    let outcome = match outcome {
        Ok(replayed) => {
            server.stop();
            Ok(with_status(&engine, replayed, &ended))
        }
        Err(error) => {
            // Its connections wait for an image that may never answer.
            std::mem::forget(server);
            Err(error)
        }
    };
    conclude(setup, &engine, outcome, ended, images, printer)
}

/// Says how it ended, in the order of what matters most.
fn conclude(
    setup: &Setup,
    engine: &Engine,
    outcome: Result<Replayed, ReplayError>,
    ended: Ended,
    images: Vec<crate::images::OpenedImage>,
    printer: &Printer,
) -> Result<Option<Done>, Failure> {
    rerun::finish_trace(engine, setup.output.as_deref(), Some(ended.status))?;
    let replayed = outcome.map_err(|error| rerun::cannot_go_on(&setup.trace, error))?;
    if let Some(trouble) = ended.trouble {
        return Err(trouble);
    }
    if ended.interrupted && replayed.divergences.is_empty() {
        let (done, all) = (replayed.requests, setup.plan.requests);
        printer.warn(format_args!("interrupted after {done} of {all} requests"));
        return Ok(None);
    }
    Ok(Some(Done { replayed, images }))
}

/// A COMMAND that ends otherwise is a difference, too.
fn with_status(engine: &Engine, replayed: Replayed, ended: &Ended) -> Replayed {
    if ended.trouble.is_none() && !ended.interrupted {
        engine.client_status(ended.status);
    }
    let divergences = engine.replayed().map(|now| now.divergences);
    Replayed { divergences: divergences.unwrap_or_default(), ..replayed }
}

/// The exports as they were, or why this version cannot offer them.
fn exports(header: &Header, disks: &[Arc<Disk>]) -> Result<Vec<Export>, Failure> {
    let extended_headers = extended_headers(header)?;
    let mut exports = Vec::with_capacity(disks.len());
    for (number, disk) in disks.iter().enumerate() {
        let device = &header.devices[number];
        let recorded = header.exports.iter().find(|export| usize::from(export.device) == number);
        let names = match recorded {
            Some(export) => {
                check_advertised(&device.name, export, disk.geometry())?;
                export.names.clone()
            }
            None => session::export_names(number),
        };
        let (description, disk) = (device.name.clone(), Arc::clone(disk));
        exports.push(Export { names, description, disk, extended_headers });
    }
    Ok(exports)
}

/// Whether clients were offered extended headers, which they are before they choose an export. Where the trace does
/// not say what was offered, they are.
fn extended_headers(header: &Header) -> Result<bool, Failure> {
    let offered = |export: &ExportHeader| export.extended_headers;
    let all = header.exports.iter().all(offered);
    if all || !header.exports.iter().any(offered) {
        return Ok(all);
    }
    Err(Failure::new(
        "clients of some disks were offered extended headers, and those of others were not",
    )
    .hint(
        "blkreplay slice TRACE --dev NAME -o OUT makes a trace of one disk, which can be replayed",
    ))
}

/// Refuses what this version would tell clients otherwise than they were told.
fn check_advertised(
    name: &str,
    recorded: &ExportHeader,
    geometry: &Geometry,
) -> Result<(), Failure> {
    let now = nbd::advertised(geometry);
    let same = now.transmission_flags == recorded.transmission_flags
        && now.block_sizes == recorded.block_sizes
        && now.contexts == recorded.contexts;
    if same {
        return Ok(());
    }
    Err(Failure::new(format!(
        "clients of {name} were offered flags {:#06x}, block sizes {:?} and contexts {:?}; this version offers \
         {:#06x}, {:?} and {:?}",
        recorded.transmission_flags,
        recorded.block_sizes,
        recorded.contexts,
        now.transmission_flags,
        now.block_sizes,
        now.contexts,
    ))
    .hint("replay with the version that recorded it; blkreplay info TRACE names it"))
}
