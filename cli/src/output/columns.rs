//! The columns that were asked for with `--fields`, or those of CSV: a list of names comes in, cells go out.
//!
//! The fields are those of the filter language, and `flags` and `payload`. Invariant: a request that has nothing to say in a
//! column has an empty cell, or none.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use blkreplay_core::query::{FIELDS, Field, Kind, Needs, Value};
use blkreplay_core::rows::Row;
use blkreplay_core::units::Nanos;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::json::{REQUEST_SCHEMA, write};
use super::text::short_payload;
use blkreplay_core::words::seconds;

use super::{Devices, Outcome, has_range, known, printable, row_flags};

/// What CSV has when nothing else is asked for: what JSON has.
const USUAL: &str = "id,dev,conn,op,off,len,flags,t,early,lat,hold,epoch,payload,result";

/// Columns by name, in the order in which they were asked for.
#[derive(Debug, Clone)]
pub(crate) struct Columns(Vec<Column>);

#[derive(Debug, Clone)]
struct Column {
    /// As it was asked for.
    name: String,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Field(&'static Field),
    Flags,
    Payload,
}

/// What stands in a cell.
#[derive(Debug)]
enum Cell<'a> {
    Number(i128),
    Flag(bool),
    Text(Cow<'a, str>),
    Words(Vec<&'static str>),
}

/// Why a text names no columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ColumnsError {
    /// A name that no field has.
    #[error("no field is called `{name}`{}", near(.name))]
    Unknown {
        /// The name.
        name: String,
    },
    /// Nothing between two commas, or nothing at all.
    #[error("a name of a field is missing: they stand between commas, as in id,op,lat")]
    Empty,
}

/// What may have been meant.
fn near(name: &str) -> String {
    let names = FIELDS.iter().flat_map(|field| std::iter::once(&field.name).chain(field.aliases));
    let all = names.copied().chain(["flags", "payload"]);
    let near = all
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len())
        .min_by_key(|(distance, _)| *distance);
    near.map_or(String::new(), |(_, known)| format!(", did you mean `{known}`?"))
}

impl std::str::FromStr for Columns {
    type Err = ColumnsError;

    fn from_str(text: &str) -> Result<Columns, ColumnsError> {
        let column = |name: &str| {
            let name = name.trim().to_owned();
            let what = match (name.as_str(), Field::named(&name)) {
                ("", _) => return Err(ColumnsError::Empty),
                ("flags", _) => What::Flags,
                ("payload", _) => What::Payload,
                (_, Some(field)) => What::Field(field),
                (_, None) => return Err(ColumnsError::Unknown { name }),
            };
            Ok(Column { name, what })
        };
        text.split(',').map(column).collect::<Result<_, _>>().map(Columns)
    }
}

impl Columns {
    /// What CSV has when nothing else is asked for.
    pub(crate) fn usual() -> Columns {
        USUAL.parse().expect("all of these are fields")
    }

    /// What must be known of requests beside what they say themselves: `context` and `written`.
    pub(crate) fn needs(&self) -> Needs {
        let mut all = Needs::default();
        for column in &self.0 {
            if let What::Field(field) = column.what {
                let Needs { context, written, .. } = field.needs();
                all = Needs {
                    context: all.context || context,
                    written: all.written || written,
                    ..all
                };
            }
        }
        all
    }

    /// Names the columns of text.
    pub(crate) fn heading(&self, colored: bool, out: &mut impl Write) -> io::Result<()> {
        let style = if colored { Style::new().bold() } else { Style::new() };
        let cells = self.0.iter().map(|column| column.padded(&column.name));
        let line = cells.collect::<Vec<_>>().join(" ");
        writeln!(out, "{style}{}{style:#}", line.trim_end())
    }

    /// Writes a request as text.
    pub(crate) fn text(
        &self,
        row: &Row,
        devices: &Devices,
        colored: bool,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let cells = self.0.iter().map(|column| column.padded(&column.shown(row, devices)));
        let line = cells.collect::<Vec<_>>().join(" ");
        let failed = row.completion.as_ref().is_some_and(|end| end.result.is_err());
        let style = if failed && colored { AnsiColor::Red.on_default() } else { Style::new() };
        writeln!(out, "{style}{}{style:#}", line.trim_end())
    }

    /// Writes a request as an object with these members.
    pub(crate) fn json(
        &self,
        row: &Row,
        devices: &Devices,
        line: &mut Vec<u8>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        write(line, &Object { columns: self, row, devices }, out)
    }

    /// The line of CSV that names the columns. `buffer` is used again.
    pub(crate) fn csv_heading(&self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = records(buffer);
        out.write_record(self.0.iter().map(|column| &column.name))?;
        out.into_inner().map_err(csv::IntoInnerError::into_error)
    }

    /// A request as a record of CSV. `buffer` is used again.
    pub(crate) fn csv(&self, row: &Row, devices: &Devices, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let mut out = records(buffer);
        let cells = self.0.iter().map(|column| column.cell(row, devices));
        let texts = cells.map(|cell| cell.map_or(String::new(), |cell| cell.to_string()));
        out.write_record(texts)?;
        out.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

/// Writes records. One is written by each, so a small buffer does.
fn records(into: Vec<u8>) -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new().buffer_capacity(256).from_writer(into)
}

impl Column {
    /// What stands in this column for a request, if it has something to say.
    fn cell<'a>(&self, row: &Row, devices: &'a Devices) -> Option<Cell<'a>> {
        let field = match self.what {
            What::Flags => {
                let flags = row_flags(row);
                return (!flags.is_empty()).then_some(Cell::Words(flags));
            }
            What::Payload => {
                return known(row.payload).map(|payload| Cell::Text(payload.to_string().into()));
            }
            What::Field(field) => field,
        };
        if field.is_of_range() && !has_range(&row.request) {
            return None;
        }
        if let Some(text) = field.text(row) {
            return Some(Cell::Text(text.into()));
        }
        Some(match field.of(row)? {
            Value::Event(name) => Cell::Text(name.into()),
            Value::Number(number) => Cell::Number(number),
            Value::Flag(flag) => Cell::Flag(flag),
            Value::Operation(operation) => Cell::Text(operation.name().into()),
            Value::Result(result) => Cell::Text(Outcome(result).to_string().into()),
            Value::Device(device) => Cell::Text(devices.name(device)),
        })
    }

    /// The cell for people.
    fn shown(&self, row: &Row, devices: &Devices) -> String {
        let cell = match (self.what, self.cell(row, devices)) {
            (What::Payload, Some(_)) => return short_payload(row.payload),
            (_, None) => return "-".to_owned(),
            (_, Some(cell)) => cell,
        };
        match (self.kind(), cell) {
            (Some(Kind::Span), Cell::Number(number)) => match u64::try_from(number) {
                Ok(nanos) if ["t", "tc"].contains(&self.field_name()) => seconds(Nanos(nanos)),
                Ok(nanos) => Nanos(nanos).to_string(),
                Err(_) => number.to_string(),
            },
            (_, Cell::Words(words)) => words.join(","),
            (_, cell) => printable(&cell.to_string()).into_owned(),
        }
    }

    fn kind(&self) -> Option<Kind> {
        match self.what {
            What::Field(field) => Some(field.kind),
            What::Flags | What::Payload => None,
        }
    }

    fn field_name(&self) -> &'static str {
        match self.what {
            What::Field(field) => field.name,
            What::Flags => "flags",
            What::Payload => "payload",
        }
    }

    /// A cell with space to its left or right: numbers stand under each other.
    fn padded(&self, text: &str) -> String {
        let name = self.name.chars().count();
        match (self.kind(), self.field_name()) {
            (_, "off" | "end" | "lba" | "lba_end") => {
                format!("{text:>width$}", width = name.max(12))
            }
            (_, "t" | "tc") => format!("{text:>width$}", width = name.max(10)),
            (Some(Kind::Number), _) => format!("{text:>width$}", width = name.max(7)),
            (Some(Kind::Span), _) => format!("{text:>width$}", width = name.max(6)),
            (Some(Kind::Operation), _) => format!("{text:<width$}", width = name.max(12)),
            (Some(Kind::Flag), _) => format!("{text:<width$}", width = name.max(3)),
            (Some(Kind::Result), _) => format!("{text:<width$}", width = name.max(7)),
            (Some(Kind::Device), _) => format!("{text:<width$}", width = name.max(8)),
            (None | Some(Kind::Event | Kind::Text | Kind::Bytes), _) => {
                format!("{text:<width$}", width = name.max(13))
            }
        }
    }
}

/// As in CSV, and in text where nothing else is better.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Number(number) => number.fmt(f),
            Cell::Flag(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Cell::Text(text) => f.write_str(text),
            Cell::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}

/// An object with the members that were asked for. One that a request does not have is left out.
struct Object<'a> {
    columns: &'a Columns,
    row: &'a Row,
    devices: &'a Devices,
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", REQUEST_SCHEMA)?;
        for column in &self.columns.0 {
            match column.cell(self.row, self.devices) {
                Some(Cell::Number(number)) => map.serialize_entry(&column.name, &number)?,
                Some(Cell::Flag(flag)) => map.serialize_entry(&column.name, &flag)?,
                Some(Cell::Text(text)) => map.serialize_entry(&column.name, &text)?,
                Some(Cell::Words(words)) => map.serialize_entry(&column.name, &words)?,
                None => {}
            }
        }
        map.end()
    }
}
