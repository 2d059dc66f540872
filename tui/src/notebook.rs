//! What is kept of looking at a trace: notes on requests, beside the trace, and where one left off, in a place of its own.
//!
//! ```text
//! TRACE.notes.toml                notes, for others too; in the place of the session where one cannot write there
//! STATE/UUID.toml                 filter, view and request, for the next time; notes that win over those beside the trace
//! ```
//!
//! Notes and sessions in, files out, and back. The trace itself is never written. Invariants: a file of another recording, or one that
//! cannot be understood, is left alone; a file is replaced as a whole; a new one is for its owner alone, as the trace is.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::writer::{begun_beside, directory_of};

/// The most that is read of a file.
const FILE_BYTES: u64 = 4 << 20;

/// The longest note, in characters.
pub const NOTE_LENGTH: usize = 2000;

/// Where things are kept.
#[derive(Debug, Clone, Default)]
pub struct Notebook {
    /// The file for notes; `None` for a trace that lies in no file of its own.
    pub beside: Option<PathBuf>,
    /// The directory for sessions, and for notes that cannot be beside the trace; `None` if there is none.
    pub state: Option<PathBuf>,
    /// Where one left off is remembered.
    pub keeps_session: bool,
}

/// Notes, by the number of their request.
pub type Notes = BTreeMap<u64, String>;

/// Where one left off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The filter in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The name of the view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// The number of the focused request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    /// The recording that it is about.
    trace: String,
    #[serde(default, flatten)]
    session: Session,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    note: Vec<Note>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Note {
    request: u64,
    text: String,
}

impl Notebook {
    /// The notes on a recording, from both places, and what is wrong with either.
    pub fn notes(&self, uuid: u128) -> (Notes, Option<String>) {
        let (mut notes, mut wrong) = (Notes::new(), None);
        // What is kept elsewhere was written later: it could not be written beside the trace.
        for path in [self.beside.as_ref(), self.page(uuid).as_ref()].into_iter().flatten() {
            match read(path, uuid) {
                Ok(page) => {
                    let read = page.into_iter().flat_map(|page| page.note);
                    notes.extend(read.map(|note| (note.request, note.text)));
                }
                Err(why) => wrong = Some(why),
            }
        }
        // One without a text says that the one beside the trace is gone.
        notes.retain(|_, text| !text.is_empty());
        (notes, wrong)
    }

    /// Writes a note, or takes it away if it is empty. Where it was written.
    pub fn write(&self, uuid: u128, request: u64, text: &str) -> Result<PathBuf, String> {
        let change = |page: &mut Page| {
            page.note.retain(|note| note.request != request);
            if !text.is_empty() {
                page.note.push(Note { request, text: text.to_owned() });
                page.note.sort_by_key(|note| note.request);
            }
        };
        let Some(beside) = &self.beside else {
            let page = self.page(uuid).ok_or("there is no place to keep notes in")?;
            changed(&page, uuid, change)?.map_err(|error| cannot(&page, &error))?;
            return Ok(page);
        };
        let beside_error = match changed(beside, uuid, change)? {
            Ok(()) => {
                // One that was kept elsewhere would come back.
                if let Some(page) = self.page(uuid).filter(|page| page.exists()) {
                    let forget = |page: &mut Page| page.note.retain(|note| note.request != request);
                    changed(&page, uuid, forget)?.map_err(|error| cannot(&page, &error))?;
                }
                return Ok(beside.clone());
            }
            Err(error) => error,
        };
        let page = self.page(uuid).ok_or_else(|| cannot(beside, &beside_error))?;
        let stays = read(beside, uuid)?
            .is_some_and(|page| page.note.iter().any(|note| note.request == request));
        let over = |page: &mut Page| {
            change(page);
            if text.is_empty() && stays {
                page.note.push(Note { request, text: String::new() });
                page.note.sort_by_key(|note| note.request);
            }
        };
        changed(&page, uuid, over)?.map_err(|error| cannot(&page, &error))?;
        Ok(page)
    }

    /// Where one left off.
    pub fn session(&self, uuid: u128) -> Option<Session> {
        let page = self.page(uuid).filter(|_| self.keeps_session)?;
        // Whoever opens a trace anew loses nothing if the last time is not known.
        let session = read(&page, uuid).ok()??.session;
        (session != Session::default()).then_some(session)
    }

    /// Remembers where one leaves off. Nobody can be told if that does not work.
    pub fn leave(&self, uuid: u128, session: &Session) {
        let Some(page) = self.page(uuid).filter(|_| self.keeps_session) else { return };
        if *session == Session::default() && !page.exists() {
            return;
        }
        let _ = changed(&page, uuid, |page| page.session = session.clone());
    }

    /// The file of a recording among those of sessions.
    fn page(&self, uuid: u128) -> Option<PathBuf> {
        Some(self.state.as_ref()?.join(format!("{uuid:032x}.toml")))
    }
}

/// What a file holds, if it is there.
fn read(path: &Path, uuid: u128) -> Result<Option<Page>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if text.len() as u64 > FILE_BYTES {
        return Err(format!("{} is too long for notes", path.display()));
    }
    let page: Page = toml::from_str(&text).map_err(|error| {
        let what = error.message().lines().next().unwrap_or_default();
        format!("{} is left alone, it cannot be understood: {what}", path.display())
    })?;
    if page.trace == format!("{uuid:032x}") {
        Ok(Some(page))
    } else {
        Err(format!("{} is left alone, it is about another recording", path.display()))
    }
}

/// Changes what a file holds. Refuses a file that is to be left alone; what cannot be written is in the result inside.
fn changed(path: &Path, uuid: u128, change: impl Fn(&mut Page)) -> Result<io::Result<()>, String> {
    let trace = format!("{uuid:032x}");
    let mut page = read(path, uuid)?.unwrap_or_else(|| Page { trace, ..Page::default() });
    change(&mut page);
    let text = toml::to_string(&page).map_err(|error| error.to_string())?;
    Ok(replace(path, &text))
}

/// Puts a text where there was another, for those who could read that; where there was none, for its owner alone.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let folder = directory_of(path);
    if !folder.exists() {
        fs::create_dir_all(folder)?;
    }
    let mut file = begun_beside(path)?;
    file.write_all(text.as_bytes())?;
    if let Ok(there) = fs::metadata(path) {
        file.as_file().set_permissions(there.permissions())?;
    }
    file.persist(path)?;
    Ok(())
}

fn cannot(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
