//! A trace that grows while it is read a page at a time, and a filter that goes on over what is new: what the inspector follows.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;

use blkreplay_core::format::{ReadError, Reader};
use blkreplay_core::open;
use blkreplay_core::query::Filter;
use blkreplay_core::rows::Row;
use blkreplay_core::view::{Hits, Page, Pages};
use blkreplay_fixtures::{native, story};
use tempfile::NamedTempFile;

type Trace = BufReader<File>;

/// A file that holds these bytes.
fn holding(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    append(file.path(), bytes);
    file
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn pages(path: &Path) -> Pages<Trace> {
    Pages::new(open::trace(path).unwrap()).unwrap()
}

/// The rows of all pages.
fn rows(pages: &mut Pages<Trace>) -> Vec<Row> {
    (0..pages.all().len()).flat_map(|page| pages.rows(page).unwrap()).collect()
}

/// How long the shortest beginning of a trace is that can be opened.
fn header(trace: &[u8]) -> usize {
    let can = |end: &usize| Reader::open(Cursor::new(trace[..*end].to_vec())).is_ok();
    (0..trace.len()).find(can).unwrap()
}

#[test]
fn pages_that_grew_are_those_of_the_trace_as_it_is_wherever_it_was_cut() {
    let mut grew = 0;
    for trace in [story::trace(), native::many_chunks(30), native::long(3000)] {
        let begins = header(&trace);
        let file = holding(&trace[..begins]);
        let mut growing = pages(file.path());
        assert_eq!(growing.all().len(), 0);
        let mut looked = 0;
        for part in trace[begins..].chunks(trace.len() / 60 + 1) {
            append(file.path(), part);
            let growth = growing.grow().unwrap();
            looked += 1;
            grew += usize::from(growth.chunks > 0);
            assert_eq!(growing.all(), pages(file.path()).all(), "look {looked}");
            assert!(growing.settled().unwrap() <= growing.requests());
            if looked % 9 == 0 {
                assert_eq!(rows(&mut growing), rows(&mut pages(file.path())), "look {looked}");
            }
        }
        let growth = growing.grow().unwrap();
        assert!(growth.is_closed && growth.chunks == 0 && growth.lost == 0, "{growth:?}");
        let all = rows(&mut growing);
        assert_eq!(all, rows(&mut pages(file.path())));
        let waits = all.iter().position(|row| row.completion.is_none());
        let waits = waits.map_or(growing.requests(), |place| place as u64);
        assert_eq!(growing.settled().unwrap(), waits);
    }
    assert!(grew > 30, "{grew}");
}

/// The places that a filter finds, and the place that it begins with.
fn found(path: &Path, text: &str, of: &[Page], from: Option<u64>) -> (Vec<u64>, u64) {
    let filter = Filter::of(text, open::trace(path).unwrap().header()).unwrap();
    let path = path.to_owned();
    let mut hits = Hits::new(filter, of.to_vec(), move || Ok(open::trace(&path)?));
    if let Some(from) = from {
        hits = hits.from(from);
    }
    let begins = hits.done();
    let mut all = Vec::new();
    while let Some(places) = hits.next_found().unwrap() {
        all.extend_from_slice(places);
    }
    (all, begins)
}

#[test]
fn a_filter_that_goes_on_from_what_is_settled_finds_what_one_finds_that_looks_at_all() {
    let texts = ["write", "lat > 100us || !done", "err", "id % 7 == 3", "lat > p90(lat)", "qd > 1"];
    let (mut skipped, mut some) = (0, 0);
    for trace in [story::trace(), native::many_chunks(30), native::long(9000)] {
        for text in texts {
            let file = holding(&trace[..trace.len() * 2 / 3]);
            let mut growing = pages(file.path());
            let settled = growing.settled().unwrap();
            let (mut all, _) = found(file.path(), text, growing.all(), None);
            append(file.path(), &trace[trace.len() * 2 / 3..]);
            growing.grow().unwrap();
            let (more, begins) = found(file.path(), text, growing.all(), Some(settled));
            assert!(begins <= settled);
            (skipped, some) = (skipped + begins, some + more.len());
            all.retain(|place| *place < begins);
            all.extend(more);
            assert_eq!(all, found(file.path(), text, growing.all(), None).0, "{text}");
        }
    }
    assert!(skipped > 100 && some > 100, "{skipped} skipped, {some} found");
}

/// A file that is written to while it is read, and that can be read only so often.
#[derive(Clone)]
struct Shared {
    bytes: Rc<RefCell<Vec<u8>>>,
    reads: Rc<Cell<usize>>,
    at: u64,
}

impl Shared {
    fn new(bytes: &[u8]) -> Shared {
        let bytes = Rc::new(RefCell::new(bytes.to_vec()));
        Shared { bytes, reads: Rc::new(Cell::new(usize::MAX)), at: 0 }
    }

    fn reader(&self) -> Reader<Shared> {
        Reader::open(Shared { at: 0, ..self.clone() }).unwrap()
    }

    fn pages(&self) -> Pages<Shared> {
        Pages::new(self.reader()).unwrap()
    }
}

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(left) = self.reads.get().checked_sub(1) else {
            return Err(io::Error::other("not now"));
        };
        self.reads.set(left);
        let bytes = self.bytes.borrow();
        let rest = bytes.get(usize::try_from(self.at).unwrap()..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at += length as u64;
        Ok(length)
    }
}

impl Seek for Shared {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => (self.bytes.borrow().len() as u64).saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

#[test]
fn no_page_is_lost_where_a_look_for_more_failed_halfway() {
    let trace = native::many_chunks(30);
    let whole = Shared::new(&trace).pages();
    let mut halfway = 0;
    for reads in 0..60 {
        let file = Shared::new(&trace[..trace.len() / 3]);
        let (mut growing, mut reader) = (file.pages(), file.reader());
        let known = reader.chunk_entries().unwrap().len();
        *file.bytes.borrow_mut() = trace.clone();
        file.reads.set(reads);
        assert!(matches!(reader.grow(), Err(ReadError::Io { .. })), "{reads}");
        file.reads.set(reads);
        assert!(matches!(growing.grow(), Err(ReadError::Io { .. })), "{reads}");
        file.reads.set(usize::MAX);
        halfway += usize::from(reader.chunk_entries().unwrap().len() > known);
        let growth = growing.grow().unwrap();
        assert_eq!(growing.all(), whole.all(), "{reads}");
        reader.grow().unwrap();
        assert_eq!(known + growth.chunks, reader.chunk_entries().unwrap().len(), "{reads}");
        assert_eq!(growing.grow().unwrap().chunks, 0);
    }
    assert!(halfway > 10, "only {halfway} looks found something before they failed");
}

#[test]
fn pages_stay_where_they_are_when_a_chunk_could_not_be_read_for_a_while() {
    let trace = native::many_chunks(30);
    let whole = Shared::new(&trace).pages();
    let file = Shared::new(&trace[..trace.len() * 2 / 3]);
    let mut growing = file.pages();
    let middle = growing.all().len() / 2;
    let lost = file.reader().chunk_entries().unwrap()[middle].offset;
    file.bytes.borrow_mut()[usize::try_from(lost).unwrap() + 9] ^= 1;
    // It goes there by what that chunk says, and then lists the chunks up to it.
    growing.rows(middle + 1).unwrap();
    assert!(growing.loss().is_some());
    *file.bytes.borrow_mut() = trace;
    growing.grow().unwrap();
    assert_eq!(growing.all(), whole.all());
}
