//! Requests as tests write them: who runs the inspector has other lines.

use std::path::{Path, PathBuf};

use blkreplay_core::edit::Planned;
use blkreplay_core::format::{SlicedHeader, Survey, Writer};
use blkreplay_core::rows::Row;

use crate::outlet::{Form, Outlet, Sink};

/// An id a line.
#[derive(Debug)]
pub(super) struct Plain(PathBuf);

impl Plain {
    pub(super) fn of(path: &Path) -> Plain {
        Plain(path.to_owned())
    }
}

impl Outlet for Plain {
    fn heading(&self, form: Form) -> Vec<u8> {
        if form == Form::Json { Vec::new() } else { b"id\n".to_vec() }
    }

    fn line(&self, form: Form, row: &Row) -> Vec<u8> {
        let id = row.id.0;
        let line =
            if form == Form::Json { format!("{{\"id\":{id}}}\n") } else { format!("{id}\n") };
        line.into_bytes()
    }

    fn trace(
        &self,
        whole: &Survey,
        planned: &Planned,
        filter: Option<&str>,
        out: Sink,
    ) -> Result<Writer<Sink>, String> {
        let sliced = SlicedHeader {
            tool: "test".to_owned(),
            of: String::new(),
            from: None,
            to: None,
            filter: filter.map(str::to_owned),
            devices: None,
            requests: planned.requests(),
            of_requests: whole.facts.operations.total().issues,
        };
        let header = planned.header(&whole.header, sliced);
        Writer::create(out, &header, 1, 2).map_err(|error| error.to_string())
    }

    fn is_trace(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|other| self.0.canonicalize().is_ok_and(|own| own == other))
    }
}
