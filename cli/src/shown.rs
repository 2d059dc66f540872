//! Requests of the inspector as `print` has them, and traces of them as `slice` has them. Rows come in, lines go out.
//!
//! It knows no screen. Invariant: a line is what `print` prints of the same request, because it is the same code.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use blkreplay_core::edit::Planned;
use blkreplay_core::format::{Header, SlicedHeader, Survey, Writer};
use blkreplay_core::rows::Row;
use blkreplay_tui::outlet::{Form, Outlet, Sink};

use crate::edited::LAYOUT;
use crate::output::Devices;
use crate::output::columns::Columns;
use crate::output::facts::uuid_text;
use crate::output::json::Json;
use crate::output::text::Text;
use crate::session::{self, TOOL};

/// What the command line makes of requests.
#[derive(Debug)]
pub(crate) struct Printed {
    path: PathBuf,
    devices: Devices,
    columns: Columns,
    /// Each has a line that it uses again.
    json: Mutex<Json>,
    text: Mutex<Text>,
}

impl Printed {
    /// Of the trace at `path`, which has this header.
    pub(crate) fn of(path: &Path, header: &Header) -> Printed {
        Printed {
            path: path.to_owned(),
            devices: Devices::of(header),
            columns: Columns::usual(),
            json: Mutex::new(Json::new(Devices::of(header))),
            text: Mutex::new(Text::plain(Devices::of(header))),
        }
    }
}

/// What was written to memory.
const MEMORY: &str = "memory takes what is written";

impl Outlet for Printed {
    fn heading(&self, form: Form) -> Vec<u8> {
        let mut out = Vec::new();
        match form {
            Form::Json => {}
            Form::Csv => out = self.columns.csv_heading(out).expect(MEMORY),
            Form::Text => {
                let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
                text.request_heading(&mut out).expect(MEMORY);
            }
        }
        out
    }

    fn line(&self, form: Form, row: &Row) -> Vec<u8> {
        let mut out = Vec::new();
        match form {
            Form::Json => {
                let mut json = self.json.lock().unwrap_or_else(PoisonError::into_inner);
                json.request(row, &mut out).expect(MEMORY);
            }
            Form::Csv => out = self.columns.csv(row, &self.devices, out).expect(MEMORY),
            Form::Text => {
                let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
                text.request(row, &mut out).expect(MEMORY);
            }
        }
        out
    }

    fn trace(
        &self,
        whole: &Survey,
        planned: &Planned,
        filter: Option<&str>,
        out: Sink,
    ) -> Result<Writer<Sink>, String> {
        let sliced = SlicedHeader {
            tool: TOOL.to_owned(),
            of: uuid_text(whole.uuid),
            from: None,
            to: None,
            filter: filter.map(str::to_owned),
            devices: None,
            requests: planned.requests(),
            of_requests: whole.facts.operations.total().issues,
        };
        let header = planned.header(&whole.header, sliced);
        let identity = session::identity().map_err(|error| error.to_string())?;
        let writer = Writer::create(out, &header, identity.salt, identity.uuid);
        Ok(writer.map_err(|error| error.to_string())?.laid_out(LAYOUT))
    }

    fn is_trace(&self, path: &Path) -> bool {
        let file = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
        file(path).is_some_and(|other| file(&self.path) == Some(other))
    }
}
