//! A recording from its first image to its last chunk: images, engine and server put together. A [`Plan`]
//! comes in; a trace and what there is to say of it go out.
//!
//! `record` and `demo` both go through here: one way in, one way through. It knows no COMMAND and no
//! signals. Invariant: what the header says was advertised is what was advertised.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::device::{self, OpenOptions};
use blkreplay_core::engine::{Engine, Identity, RecordError, Recorded, Recorder, Totals};
use blkreplay_core::format::{
    DeviceHeader, ExportHeader, FingerprintMethod, Header, LimitsHeader, PayloadPolicy, WriteError,
};
use blkreplay_core::limits;
use blkreplay_core::nbd::{self, ConnectionReport, Export, Listener, Secure, Server};
use blkreplay_core::units::{Clock, Size};

use crate::child::Places;
use crate::clock::MonotonicClock;
use crate::ending;
use crate::failure::{self, Failure};
use crate::images::{self, OpenedImage, Writes};
use crate::printer::Printer;
use crate::trace_file::{self, Destination, Overwrite, SyncWhen, TraceFile};

/// Program and version, as headers of traces have it.
pub(crate) const TOOL: &str = concat!("blkreplay ", env!("CARGO_PKG_VERSION"));

/// What to record, and how.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// The images, in order.
    pub(crate) images: Vec<PathBuf>,
    /// How to open them.
    pub(crate) open: OpenOptions,
    /// What becomes of what is written.
    pub(crate) writes: Writes,
    /// What to keep of the data.
    pub(crate) payload: PayloadPolicy,
    /// How to know the images again.
    pub(crate) fingerprint: FingerprintMethod,
    /// Where the trace goes.
    pub(crate) output: Destination,
    /// How large it may be, in bytes.
    pub(crate) max_size: Option<u64>,
    /// Whether it may exist.
    pub(crate) overwrite: Overwrite,
    /// When a chunk of it counts as written.
    pub(crate) sync: SyncWhen,
}

/// A recording under way.
pub(crate) struct Session {
    images: Vec<OpenedImage>,
    engine: Arc<Engine>,
    server: Server,
    printer: Printer,
}

/// A recording that is over.
pub(crate) struct Finished {
    /// What was written to the trace, or why it is not whole; `None` if nothing was to be recorded.
    pub(crate) recorded: Option<Result<Recorded, RecordError>>,
    /// What clients asked, as far as it was recorded.
    pub(crate) totals: Totals,
    /// The images as they were served.
    pub(crate) images: Vec<OpenedImage>,
    /// What an image did not answer, if it was given up for that: it had better not be asked anything more.
    pub(crate) unanswered: Option<Failure>,
}

impl Session {
    /// Opens the images, begins the trace and serves clients that come to `listener`, under TLS if there is some.
    pub(crate) fn start(
        plan: &Plan,
        listener: Listener,
        secure: Option<Arc<dyn Secure>>,
        printer: &Printer,
    ) -> Result<Session, Failure> {
        if let Some(output) = plan.output.path() {
            images::refuse_image_as(&plan.images, output, "output")?;
            trace_file::check_output(output, plan.overwrite).map_err(|refused| {
                if trace_file::is_special(output) {
                    refused.hint("-o none serves without recording")
                } else {
                    refused
                }
            })?;
        }
        let scratch = plan.output.path().map(trace_file::directory_of);
        let images = images::open_all(&plan.images, &plan.open, plan.writes, scratch)?;
        let clock = Arc::new(MonotonicClock::start());
        let engine = match &plan.output {
            Destination::Nowhere => Engine::off(clock),
            Destination::Stdout | Destination::File(_) => {
                let header = header(plan, &images, &clock)?;
                let recorder = start_recorder(plan, &header, &clock, printer)?;
                Engine::recording(clock, recorder, plan.payload)
            }
        };
        let exports = images.iter().enumerate().map(|(number, image)| Export {
            names: export_names(number),
            description: image.name.clone(),
            disk: engine.attach(image.device()),
            extended_headers: true,
        });
        let server = start_server(listener, exports.collect(), secure, printer)?;
        Ok(Session { images, engine, server, printer: printer.clone() })
    }

    /// What is served where, a line for each image.
    pub(crate) fn serving(&self, places: &Places) -> Vec<String> {
        let line = |(image, uri): (&OpenedImage, &String)| {
            let size = Size(image.base.geometry().size);
            format!("{uri}  {size}  image {}", image.path.display())
        };
        self.images.iter().zip(&places.uris).map(line).collect()
    }

    /// The engine behind it, for those who control it.
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Whether the only client that there could be has gone.
    pub(crate) fn is_over(&self) -> bool {
        self.server.is_over()
    }

    /// Requests answered so far.
    pub(crate) fn requests(&self) -> u64 {
        self.engine.totals().requests
    }

    /// Serves what clients have already sent, ends the trace with the `status` of COMMAND, and says what
    /// became of it all. Ends in time, whatever the images do.
    pub(crate) fn finish(self, status: Option<u8>) -> Finished {
        let unanswered = ending::stop(self.server, &self.engine, &self.printer).err();
        let recorded = self.engine.finish(status);
        let totals = if recorded.is_some() { self.engine.recorded() } else { self.engine.totals() };
        Finished { recorded, totals, images: self.images, unanswered }
    }
}

/// Every name of an export: the first also has the empty one, which clients ask for by default.
pub(crate) fn export_names(number: usize) -> Vec<String> {
    match number {
        0 => vec![String::new(), "0".to_owned()],
        _ => vec![number.to_string()],
    }
}

/// Begins the trace.
fn start_recorder(
    plan: &Plan,
    header: &Header,
    clock: &Arc<MonotonicClock>,
    printer: &Printer,
) -> Result<Recorder, Failure> {
    let cannot_begin = || format!("cannot begin the trace {}", plan.output);
    let identity = identity().map_err(|error| Failure::because(cannot_begin(), error))?;
    let out: Box<dyn Write + Send> = match plan.output.path() {
        Some(path) => Box::new(TraceFile::create(path, plan.overwrite)?.synced(path, plan.sync)?),
        None => Box::new(trace_file::standard_output()?),
    };
    let (printer, output) = (printer.clone(), plan.output.clone());
    let on_trouble = move |error: &WriteError| {
        let what = format!("stopped recording to {output}, the client is served on");
        printer.error(&Failure::new(failure::with_reasons(&what, error)));
    };
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let recorder = Recorder::start(out, header, identity, clock, Box::new(on_trouble));
    let recorder = recorder.map_err(|error| {
        if let Some(path) = plan.output.path() {
            // Nothing but our own broken begin is in it.
            let _ = fs::remove_file(path);
        }
        Failure::because(cannot_begin(), error)
    })?;
    Ok(match plan.max_size {
        Some(bytes) => recorder.limited_to(bytes),
        None => recorder,
    })
}

/// What makes a trace different from all others.
pub(crate) fn identity() -> io::Result<Identity> {
    let mut random = [0; 24];
    fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    let (salt, uuid) = random.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | u128::from(*byte));
    Ok(Identity { salt: u64::try_from(number(salt)).unwrap_or(0), uuid: number(uuid) })
}

/// What the trace says of itself.
fn header(plan: &Plan, images: &[OpenedImage], clock: &MonotonicClock) -> Result<Header, Failure> {
    let devices: Result<Vec<_>, _> =
        images.iter().map(|image| device_header(image, plan.fingerprint)).collect();
    let exports = (0..).zip(images).map(|(number, image)| {
        let advertised = nbd::advertised(image.surface().geometry());
        ExportHeader {
            names: export_names(usize::from(number)),
            device: number,
            transmission_flags: advertised.transmission_flags,
            block_sizes: advertised.block_sizes,
            contexts: advertised.contexts,
            extended_headers: advertised.extended_headers,
        }
    });
    Ok(Header {
        tool: TOOL.to_owned(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        wall_clock_ns: clock.wall_clock_ns(),
        payload: plan.payload,
        devices: devices?,
        exports: exports.collect(),
        limits: LimitsHeader {
            request_data_bytes: limits::REQUEST_DATA_BYTES_MAX,
            connection_requests: limits::CONNECTION_REQUESTS_MAX,
        },
        recovered: None,
        replay: None,
        edits: blkreplay_core::format::Edits::default(),
    })
}

fn device_header(image: &OpenedImage, method: FingerprintMethod) -> Result<DeviceHeader, Failure> {
    let fingerprint = device::fingerprint(image.base.as_ref(), method).map_err(|error| {
        Failure::because(format!("cannot fingerprint {}", image.path.display()), error)
    })?;
    let surface = image.surface();
    let geometry = surface.geometry();
    Ok(DeviceHeader {
        name: image.name.clone(),
        image: image.path.to_string_lossy().into_owned(),
        format: image.format.name().to_owned(),
        size: geometry.size,
        block_min: geometry.block_min,
        block_preferred: geometry.block_preferred,
        read_only: geometry.read_only,
        discard: geometry.discard,
        fingerprint,
    })
}

/// Serves the exports; a client that breaks the protocol is told of.
pub(crate) fn start_server(
    listener: Listener,
    exports: Vec<Export>,
    secure: Option<Arc<dyn Secure>>,
    printer: &Printer,
) -> Result<Server, Failure> {
    let printer = printer.clone();
    let on_end = move |report: &ConnectionReport| tell_of_connection(report, &printer);
    Server::start(listener, exports, secure, Box::new(on_end))
        .map_err(|error| Failure::because("cannot serve", error))
}

/// A client that broke the protocol is worth a warning; one that came and went is not.
fn tell_of_connection(report: &ConnectionReport, printer: &Printer) {
    let who = match report.connection {
        Some(connection) => format!("connection {}", connection.0),
        None => "a client".to_owned(),
    };
    match &report.end {
        Ok(reason) => printer.detail(format_args!("{who} ended: {}", reason.name())),
        Err(error) => printer.warn(failure::with_reasons(&who, error)),
    }
}
