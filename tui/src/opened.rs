//! A trace that is to be looked at: how to read it, what it is called, and how one begins with it.
//!
//! Invariant: whoever opens it once more gets the same recording, or is told that it is another now.

use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

use blkreplay_core::format::{Header, Reader};

use crate::action::View;
use crate::compare::Comparison;
use crate::events::log::Log;
use crate::notebook::Notebook;
use crate::outlet::Outlet;

/// A trace that is open.
pub type Trace = Reader<BufReader<File>>;

/// Opens the trace once more.
pub type Again = Arc<dyn Fn() -> Result<Trace, Box<dyn Error + Send + Sync>> + Send + Sync>;

/// How requests of a trace with this header look outside of the inspector.
pub type Outlets = Arc<dyn Fn(&Header) -> Arc<dyn Outlet> + Send + Sync>;

/// What is shown of a trace first, where it is not what one left off with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begin {
    /// A filter, which can be understood.
    pub filter: Option<String>,
    /// A view.
    pub view: Option<View>,
    /// A place, as one writes it behind `:`.
    pub at: Option<String>,
}

/// A trace to look at.
#[derive(Clone)]
pub struct Opened {
    /// What it is called.
    pub name: String,
    /// The same, as a shell takes it.
    pub word: String,
    /// Where it is.
    pub path: PathBuf,
    /// Opens it.
    pub open: Again,
    /// How its requests are copied and written.
    pub outlet: Outlets,
    /// What is new is shown as it comes.
    pub follows: bool,
    /// Compares it with a base, if it is to be compared.
    pub comparison: Option<Arc<dyn Comparison>>,
    /// It is a QEMU log, and no trace.
    pub log: Option<Log>,
    /// What is shown first.
    pub begin: Begin,
    /// Where notes are kept.
    pub notebook: Notebook,
}

/// Opens the recording of this number once more, and no other.
pub(crate) fn same(open: &Again, uuid: u128) -> Again {
    let open = Arc::clone(open);
    Arc::new(move || {
        let trace = open()?;
        if trace.uuid() == uuid {
            Ok(trace)
        } else {
            Err("another trace is there now; ctrl-l opens that one".into())
        }
    })
}
