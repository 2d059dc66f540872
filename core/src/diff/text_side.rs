//! Canonical text as a side of a comparison: lines in, requests as compared out.
//!
//! A closure that opens the text once more in. It is gone over line by line, so memory holds one. Invariants: a line is one
//! request, named by its number; devices come one after another, and the epochs of each never go back; what is no line is trouble.

use std::error::Error;
use std::io::{self, BufRead, Read};

use bytes::Bytes;

use super::canonical::{self, Line, LineError};
use super::compared::Compared;
use super::error::{DiffError, Which};
use super::pairing::Pairing;
use super::rows::{RowSource, SideRows};
use super::side::{EpochSums, Part, Requests, Side};
use crate::event::{MarkName, Payload};
use crate::limits::{CANONICAL_LINE_BYTES_MAX, DEVICES_MAX};
use crate::query::{Field, Filter, Metric, QueryError};
use crate::request::{ConnectionId, DeviceId, RequestId};
use crate::rows::{Context, Row, RowCompletion};
use crate::units::Nanos;

/// Opens a text once more.
type Open = dyn Fn() -> Result<Box<dyn BufRead + Send>, Box<dyn Error + Send + Sync>> + Send + Sync;

/// Fields that a line says.
const FIELDS: [&str; 21] = [
    "dev",
    "op",
    "off",
    "end",
    "len",
    "lba",
    "lba_end",
    "nlb",
    "epoch",
    "fua",
    "no_hole",
    "fast_zero",
    "req_one",
    "done",
    "undelivered",
    "refused",
    "zeroes",
    "err",
    "result",
    "hash",
    "ev.kind",
];

/// Why a text cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// It is not canonical text.
    #[error("it does not begin with `{}`", canonical::FIRST_LINE)]
    NotCanonical,
    /// It cannot be read.
    #[error("cannot read line {line}")]
    Io {
        /// The line, from 1.
        line: u64,
        /// Why.
        source: io::Error,
    },
    /// A line is none.
    #[error("line {line}: {source}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        source: LineError,
    },
    /// A line is too long.
    #[error("line {line} has more than {CANONICAL_LINE_BYTES_MAX} bytes")]
    TooLong {
        /// The line, from 1.
        line: u64,
    },
    /// A device that the head of the text does not name.
    #[error("line {line}: `{name}` is none of the devices that the second line names")]
    Device {
        /// The line, from 1.
        line: u64,
        /// The device.
        name: String,
    },
    /// Lines are not in order.
    #[error("line {line} goes back to an epoch or a device before the line above it")]
    Order {
        /// The line, from 1.
        line: u64,
    },
    /// It names too many devices.
    #[error("it names {0} devices; at most {DEVICES_MAX} are compared")]
    Devices(usize),
}

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextSurvey {
    /// The devices; of a text that names none, one without a name.
    pub devices: Vec<String>,
    /// How many requests.
    pub requests: u64,
    /// The first line of a request whose data nothing is said of, where nothing is said of those of any request.
    pub without_payload: Option<u64>,
}

/// Looks at all of a text.
pub fn survey(input: impl BufRead + Send) -> Result<TextSurvey, TextError> {
    let mut lines = Lines::begin(input)?;
    let mut survey = TextSurvey::default();
    let mut says_some = false;
    while let Some((number, _, line)) = lines.next()? {
        survey.requests += 1;
        if line.payload != Payload::Absent {
            says_some = true;
        } else if line.request.data_bytes() > 0 && line.result == Some(Ok(())) {
            survey.without_payload.get_or_insert(number);
        }
    }
    // Of some requests a trace has no data, whatever was recorded.
    survey.without_payload = survey.without_payload.filter(|_| !says_some);
    survey.devices = lines.devices;
    Ok(survey)
}

/// A text that is being read.
struct Lines<R> {
    input: R,
    /// The last line that was read, from 1.
    number: u64,
    devices: Vec<String>,
    named: bool,
    /// The device and the epoch of the line before.
    last: Option<(u16, u64)>,
}

impl<R: BufRead> Lines<R> {
    fn begin(input: R) -> Result<Lines<R>, TextError> {
        let devices = vec![String::new()];
        let mut lines = Lines { input, number: 0, devices, named: false, last: None };
        match lines.line()? {
            Some(first) if first == canonical::FIRST_LINE => Ok(lines),
            _ => Err(TextError::NotCanonical),
        }
    }

    /// The next line, without its end.
    fn line(&mut self) -> Result<Option<String>, TextError> {
        self.number += 1;
        let line = self.number;
        let mut bytes = Vec::new();
        let most = CANONICAL_LINE_BYTES_MAX as u64 + 1;
        let read = (&mut self.input).take(most).read_until(b'\n', &mut bytes);
        read.map_err(|source| TextError::Io { line, source })?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if bytes.len() > CANONICAL_LINE_BYTES_MAX {
            return Err(TextError::TooLong { line });
        }
        let mut text = String::from_utf8(bytes).map_err(|error| {
            let source = io::Error::new(io::ErrorKind::InvalidData, error.utf8_error());
            TextError::Io { line, source }
        })?;
        let end = text.trim_end_matches('\n').trim_end_matches('\r').len();
        text.truncate(end);
        Ok(Some(text))
    }

    /// The next request: its line, its device and what is said of it.
    fn next(&mut self) -> Result<Option<(u64, u16, Line)>, TextError> {
        while let Some(text) = self.line()? {
            let line = self.number;
            let wrong = |source| TextError::Line { line, source };
            if text.starts_with('#') {
                if self.last.is_none()
                    && !self.named
                    && let Some(devices) = canonical::read_devices(&text).map_err(wrong)?
                {
                    if devices.len() > DEVICES_MAX {
                        return Err(TextError::Devices(devices.len()));
                    }
                    (self.devices, self.named) = (devices, true);
                }
                continue;
            }
            if text.is_empty() {
                continue;
            }
            let read = canonical::read(&text, self.named).map_err(wrong)?;
            let device = match &read.device {
                None => 0,
                Some(name) => {
                    let place = self.devices.iter().position(|device| device == name);
                    let number = place.and_then(|place| u16::try_from(place).ok());
                    number.ok_or_else(|| TextError::Device { line, name: name.clone() })?
                }
            };
            if self.last.is_some_and(|last| last > (device, read.epoch)) {
                return Err(TextError::Order { line });
            }
            self.last = Some((device, read.epoch));
            return Ok(Some((line, device, read)));
        }
        Ok(None)
    }
}

/// Canonical text that can be opened again and again.
pub struct TextSide {
    open: Box<Open>,
    which: Which,
    devices: Vec<String>,
    pairing: Pairing,
}

impl TextSide {
    /// The text that `open` opens, with these devices, as one of two sides whose devices are paired.
    pub fn new(
        open: impl Fn() -> Result<Box<dyn BufRead + Send>, Box<dyn Error + Send + Sync>>
        + Send
        + Sync
        + 'static,
        which: Which,
        devices: &[String],
        pairing: &Pairing,
    ) -> TextSide {
        TextSide {
            open: Box::new(open),
            which,
            devices: devices.to_vec(),
            pairing: pairing.clone(),
        }
    }

    fn lines(&self) -> Result<Lines<Box<dyn BufRead + Send>>, DiffError> {
        let input = (self.open)().map_err(|error| DiffError::Again(error).of(self.which))?;
        Lines::begin(input).map_err(|error| DiffError::Text(error).of(self.which))
    }

    /// Refuses a field that no line says.
    fn says(text: &str, fields: &[&'static Field]) -> Result<(), QueryError> {
        let Some(field) = fields.iter().find(|field| !FIELDS.contains(&field.name)) else {
            return Ok(());
        };
        let mut names = std::iter::once(&field.name).chain(field.aliases);
        let place = names.find_map(|name| text.find(name).map(|at| at..at + name.len()));
        Err(QueryError {
            what: format!("canonical text says nothing of `{}`", field.name),
            place: place.unwrap_or(0..text.len()),
            label: "not in a line".to_owned(),
            help: Some(format!("there are {}", FIELDS.join(", "))),
        })
    }
}

/// The requests of a part.
struct TextRequests<'a> {
    side: &'a TextSide,
    lines: Lines<Box<dyn BufRead + Send>>,
    part: Part,
    place: u64,
}

impl Requests for TextRequests<'_> {
    fn next_request(&mut self) -> Result<Option<Compared>, DiffError> {
        let which = self.side.which;
        loop {
            let next = self.lines.next().map_err(|error| DiffError::Text(error).of(which))?;
            let Some((number, own, line)) = next else { return Ok(None) };
            let place = self.place;
            self.place += 1;
            let (id, device) = (RequestId(number), DeviceId(own));
            let unknown = || DiffError::Device { id, device }.of(which);
            let device = self.side.pairing.compared(which, device).ok_or_else(unknown)?;
            let meant = self.part.device.is_none_or(|wanted| wanted == device)
                && self.part.epochs.contains(&line.epoch);
            if meant {
                return Ok(Some(Compared {
                    place,
                    id,
                    device,
                    epoch: line.epoch,
                    straddling: false,
                    time: Nanos(0),
                    request: line.request,
                    payload: line.payload,
                    masked: false,
                    result: line.result,
                }));
            }
        }
    }
}

impl Side for TextSide {
    fn devices(&self) -> u16 {
        self.pairing.devices()
    }

    fn requests(&self, part: &Part) -> Result<Box<dyn Requests + Send + '_>, DiffError> {
        let lines = self.lines()?;
        Ok(Box::new(TextRequests { side: self, lines, part: part.clone(), place: 0 }))
    }

    fn epoch_sums(&self, _: DeviceId) -> Result<Option<EpochSums>, DiffError> {
        Ok(None)
    }

    fn data(&self, _: &Compared) -> Result<Option<Bytes>, DiffError> {
        Ok(None)
    }
}

/// The same as rows, of which a line says so much.
struct TextRows<'a> {
    side: &'a TextSide,
    lines: Lines<Box<dyn BufRead + Send>>,
}

impl SideRows for TextRows<'_> {
    fn next_row(&mut self) -> Result<Option<Row>, DiffError> {
        let next = self.lines.next().map_err(|error| DiffError::Text(error).of(self.side.which))?;
        Ok(next.map(|(number, device, line)| Row {
            id: RequestId(number),
            device: DeviceId(device),
            connection: ConnectionId(0),
            cookie: 0,
            request: line.request,
            event: 0,
            time: Nanos(0),
            early: Nanos(0),
            epoch: line.epoch,
            payload: line.payload,
            completion: line.result.map(|result| RowCompletion {
                result,
                latency: Nanos(0),
                hold: Nanos(0),
                flags: line.ends,
                extents: Vec::new(),
            }),
            context: Context::default(),
        }))
    }
}

impl RowSource for TextSide {
    fn rows(&self, _: bool) -> Result<Box<dyn SideRows + Send + '_>, DiffError> {
        Ok(Box::new(TextRows { side: self, lines: self.lines()? }))
    }

    fn filter(&self, text: &str) -> Result<Filter, QueryError> {
        let filter = Filter::parse(text, &self.devices)?;
        // What asks for data finds none, which is trouble where they are asked for.
        let fields: Vec<_> =
            filter.fields().into_iter().filter(|one| one.name != "payload").collect();
        TextSide::says(text, &fields).map(|()| filter)
    }

    fn metric(&self, text: &str) -> Result<Metric, QueryError> {
        let mut metric = Metric::parse(text, &self.devices)?;
        let fields = metric.filter().fields();
        TextSide::says(text, &fields)?;
        if metric.depends_on_time() {
            let what = "canonical text says nothing of times";
            let (place, label) = (0..text.len(), "a trace is expected".to_owned());
            return Err(QueryError { what: what.to_owned(), place, label, help: None });
        }
        Ok(metric)
    }

    fn mark(&self, _: &MarkName) -> Result<Option<Nanos>, DiffError> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn text(lines: &str) -> String {
        format!("{}\n{lines}", canonical::FIRST_LINE)
    }

    fn side(lines: &str) -> TextSide {
        let text = text(lines);
        let devices = survey(text.as_bytes()).unwrap().devices;
        let pairing = Pairing::by_names(&devices, &devices);
        let open = move || Ok(Box::new(Cursor::new(text.clone())) as Box<dyn BufRead + Send>);
        TextSide::new(open, Which::Base, &devices, &pairing)
    }

    const TWO: &str = "# devices root data\n\
                       root e000 write 0+512 zeroes ok\nroot e000 flush ok\nroot e001 read 0+512 - \n";

    fn wrong(lines: &str) -> String {
        let error = survey(text(lines).as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        source.map_or_else(|| error.to_string(), |source| format!("{error} / {source}"))
    }

    #[test]
    fn lines_are_requests_by_device_and_epoch() {
        let side =
            side(&TWO.replace(" - \n", " -\n\n# by hand\ndata e000 write 512+4 zeroes EIO\r\n"));
        let part = |device, epochs| {
            let mut requests = side.requests(&Part { device, epochs }).unwrap();
            let mut all = Vec::new();
            while let Some(one) = requests.next_request().unwrap() {
                all.push((one.place, one.id.0, one.device.0, one.epoch));
            }
            all
        };
        assert_eq!(
            part(None, 0..u64::MAX),
            [(0, 3, 0, 0), (1, 4, 0, 0), (2, 5, 0, 1), (3, 8, 1, 0)]
        );
        assert_eq!(part(Some(DeviceId(0)), 1..2), [(2, 5, 0, 1)]);
        assert_eq!(part(Some(DeviceId(1)), 0..1), [(3, 8, 1, 0)]);
        let rows = side.rows(false).unwrap().next_row().unwrap().unwrap();
        assert!(side.filter("dev == root && zeroes && result == ok").unwrap().matches(&rows));
    }

    #[test]
    fn a_text_is_surveyed_for_what_it_does_not_say() {
        let surveyed =
            survey(text("e000 write 0+512 ok\ne000 read 0+512 EIO\n").as_bytes()).unwrap();
        assert_eq!((surveyed.requests, surveyed.without_payload), (2, Some(2)));
        assert_eq!(surveyed.devices, [""]);
        let some = text("e000 write 0+512 ok\ne000 write 0+512 zeroes ok\n");
        assert_eq!(survey(some.as_bytes()).unwrap().without_payload, None);
        let surveyed = survey(text("e000 read 0+512 EIO\ne000 flush ok").as_bytes()).unwrap();
        assert_eq!((surveyed.requests, surveyed.without_payload), (2, None));
    }

    #[test]
    fn what_is_no_canonical_text_is_refused_with_its_line() {
        assert!(matches!(survey(&b"e000 flush ok\n"[..]), Err(TextError::NotCanonical)));
        assert!(matches!(survey(&b""[..]), Err(TextError::NotCanonical)));
        assert!(wrong("e000 flush\n").starts_with("line 2: the line ends where a result"));
        assert_eq!(
            wrong("e001 flush ok\ne000 flush ok\n"),
            "line 3 goes back to an epoch or a device before the line above it"
        );
        assert!(
            wrong("# devices a b\nb e000 flush ok\na e000 flush ok")
                .starts_with("line 4 goes back")
        );
        assert!(
            wrong("# devices a b\nc e000 flush ok\n")
                .starts_with("line 3: `c` is none of the devices")
        );
        let long = "x".repeat(CANONICAL_LINE_BYTES_MAX + 1);
        assert_eq!(wrong(&long), "line 2 has more than 1048576 bytes");
        let latin = [canonical::FIRST_LINE.as_bytes(), b"\n\xe4\n"].concat();
        assert!(matches!(survey(&latin[..]), Err(TextError::Io { line: 2, .. })));
    }

    #[test]
    fn filters_and_metrics_ask_only_for_what_a_line_says() {
        let side = side("e000 flush ok\n");
        let wrong = |text: &str| side.filter(text).unwrap_err();
        assert_eq!(wrong("write && lat > 1ms").what, "canonical text says nothing of `lat`");
        assert_eq!(wrong("write && lat > 1ms").place, 9..12);
        assert_eq!(wrong("seq == 3").place, 0..3);
        for text in ["count(t > 1s)", "rate(write)"] {
            assert!(side.metric(text).is_err(), "{text}");
        }
        assert!(side.metric("sum(len where write)").is_ok());
        for field in FIELDS {
            assert!(Field::named(field).is_some(), "{field}");
        }
    }
}
