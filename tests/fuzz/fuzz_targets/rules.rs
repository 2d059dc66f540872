//! What people write to compare traces: canonical text, masks, budgets. Text comes in, promises are kept.

use std::fs::File;
use std::io::{self, BufRead, Cursor};
use std::ops::ControlFlow;

use blkreplay_core::diff::{
    Align, BudgetRule, Difference, Mask, Outcome, Pairing, Place, Rule, TextSide, Which, canonical,
    compare, survey_text,
};
use blkreplay_core::request::{ConnectionId, DeviceId, RequestId};
use blkreplay_core::rows::{Context, Row, RowCompletion};
use blkreplay_core::units::{ByteRange, Nanos};

/// Up to which epoch a text is compared epoch by epoch, which lists all that are passed.
const EPOCHS: u64 = 1 << 10;

/// A text is read or refused; a line that is read is written again as one that reads the same; a text that is read is the same as
/// itself, and all of it was compared.
pub(crate) fn text(data: &[u8]) {
    let surveyed = survey_text(data);
    let Ok(text) = str::from_utf8(data) else { return };
    let mut last_epoch = 0;
    for line in text.lines() {
        for named in [false, true] {
            if let Ok(read) = canonical::read(line, named) {
                assert_eq!(read.device.is_some(), named);
                assert!(read.request.range.offset.checked_add(read.request.range.length).is_some());
                last_epoch = last_epoch.max(read.epoch);
                let again = canonical::line(&row(&read), read.device.as_deref());
                assert_eq!(canonical::read(&again, named), Ok(read), "{again}");
            }
        }
    }
    if let Ok(surveyed) = surveyed {
        assert!(surveyed.requests <= text.lines().count() as u64);
        let pairing = Pairing::by_names(&surveyed.devices, &surveyed.devices);
        let side = |which| {
            let text = data.to_vec();
            let open = move || Ok(Box::new(Cursor::new(text.clone())) as Box<dyn BufRead + Send>);
            TextSide::new(open, which, &surveyed.devices, &pairing)
        };
        let aligns = [Align::Key, Align::Epoch].into_iter();
        for align in aligns.filter(|align| *align == Align::Key || last_epoch < EPOCHS) {
            let mut same = Same::default();
            let rule = Rule { align, ..Rule::default() };
            let (base, new) = (side(Which::Base), side(Which::New));
            let compared = compare(&base, &new, &rule, &no_scratch, &mut same);
            compared.expect("it was read before");
            assert_eq!(same.0, surveyed.requests, "{align:?}");
        }
    }
}

/// A row of which a line says all that it says.
fn row(line: &canonical::Line) -> Row {
    Row {
        id: RequestId(0),
        device: DeviceId(0),
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
    }
}

/// Only alignment by state wants a file.
fn no_scratch() -> io::Result<File> {
    Err(io::Error::other("nothing is written here"))
}

/// How many requests are the same; a difference is a finding.
#[derive(Default)]
struct Same(u64);

impl Outcome for Same {
    fn same(&mut self, _: Place, count: u64, _: u64) {
        self.0 += count;
    }

    fn difference(&mut self, difference: Difference) -> ControlFlow<()> {
        panic!("a text differs from itself: {difference:?}")
    }

    fn epochs(&mut self, _: DeviceId, _: u64, _: u64) {}

    fn gave_up(&mut self, _: Place) {}
}

/// Texts, right and nearly right.
pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    let text = "# blkreplay canonical 1\n# devices disk da\\u{20}ta\n\
                disk e000 write 0+512 fua,refused xxh3:000102030405060708090a0b0c0d0e0f ok\n\
                disk e001 flush -\nda\\u{20}ta e000 read 512+4 zeroes EIO\n";
    vec![
        text.into(),
        "# blkreplay canonical 1\ne000 flush ok\n".into(),
        "# blkreplay canonical 1\ne000 flush ok\ne4294967295 write 0+8 zeroes ok\n".into(),
        b"# blkreplay canonical".into(),
    ]
}

/// A mask is refused, or means the same when it is written again, and masks no byte outside of a request.
pub(crate) fn mask(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Ok(mask) = text.parse::<Mask>() else { return };
    assert_eq!(mask.to_string().parse(), Ok(mask.clone()), "{mask}");
    for offset in [0, 4000, u64::MAX - 8192] {
        let range = ByteRange::new(offset, 8192);
        let mut bytes = vec![1; 8192];
        let erased = mask.erase(range, &mut bytes, &mut |block| {
            assert!(block.offset >= range.offset && block.end() <= range.end());
            true
        });
        assert_eq!(erased, bytes.contains(&0), "{mask} at {offset}");
    }
}

/// Masks of each form.
pub(crate) fn mask_seeds() -> Vec<Vec<u8>> {
    ["0x42c..0x434", "+0..8, 16..=20 every 512", "0x2c..0x34, 1k..1025 in 4k"]
        .map(Into::into)
        .into()
}

/// A budget is refused at a place in its text, or judges.
pub(crate) fn budget(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    match BudgetRule::parse(text) {
        Ok(budget) => {
            let runs: Vec<i128> = (0..7).map(|run| run * 1_000_003 % 5_000).collect();
            let _ = budget.judge(&runs, &runs[..6]);
            let _ = budget.judge(&[i128::MAX], &[i128::MIN]);
        }
        Err(error) => {
            assert!(error.place.start <= error.place.end && error.place.end <= text.len());
            let _ = error.shown(text);
        }
    }
}

/// Budgets of each form.
pub(crate) fn budget_seeds() -> Vec<Vec<u8>> {
    [
        "count(flush) <= +5%",
        "p99(lat where read) <= +10% && +200us",
        "1000 * count(flush) / count(write) >= -0.5%",
        "sum(len where write) < 40M",
        "rate(dev == disk && t < @\"a\") == 3",
    ]
    .map(Into::into)
    .into()
}
