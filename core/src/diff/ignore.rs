//! What is left out of a comparison, and which bytes are masked: rules as they are given, and as one side understands them.
//!
//! Rules and a row in, what is left of the row out. Reads no files: who has a side open passes in how data are got. Invariants:
//! a rule that cannot be asked is trouble, never a rule that holds for nothing; data that are masked are known, or it is trouble.

use std::cell::RefCell;
use std::fmt;

use bytes::Bytes;

use super::as_row::{COMPARED, as_block};
use super::error::DiffError;
use super::mask::Mask;
use crate::event::{Payload, PayloadId};
use crate::query::{Asked, Filter, Needs, QueryError};
use crate::request::{Digest, RequestId};
use crate::rows::Row;
use crate::units::ByteRange;

/// A rule as it is given, for both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoreRule {
    /// What it is called in messages.
    pub name: String,
    /// What it does with the requests that are meant.
    pub does: Does,
    /// Which requests are meant, in the filter language; `None` for all.
    pub filter: Option<String>,
    /// Where it was read, as `FILE:LINE`; `None` if on the command line.
    pub at: Option<String>,
    /// The preset that it is of.
    pub preset: Option<&'static str>,
}

/// What a rule does with the requests that it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    /// All others are left out.
    LookOnly,
    /// They are left out.
    LeaveOut,
    /// Some of their bytes are not compared.
    Mask(Mask),
}

/// As it is called in messages.
impl fmt::Display for IgnoreRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule \"{}\"", self.name)?;
        self.at.as_ref().map_or(Ok(()), |at| write!(f, " ({at})"))
    }
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Its filter means nothing for a side.
    #[error("the filter of {rule}: {source}")]
    Filter {
        /// The rule.
        rule: Box<IgnoreRule>,
        /// What is wrong with it, and where.
        source: Box<QueryError>,
    },
    /// It asks for bytes that a side does not have.
    #[error("{rule} asks for the data of request {id}, and the trace does not have them")]
    NoData {
        /// The rule.
        rule: Box<IgnoreRule>,
        /// The request.
        id: RequestId,
    },
}

impl RuleError {
    pub(super) fn filter(rule: &IgnoreRule, source: QueryError) -> RuleError {
        RuleError::Filter { rule: Box::new(rule.clone()), source: Box::new(source) }
    }

    fn no_data(rule: &IgnoreRule, row: &Row) -> RuleError {
        RuleError::NoData { rule: Box::new(rule.clone()), id: row.id }
    }

    /// The filter that is wrong with its place, as a compiler tells of one; `None` if it is not about a filter.
    pub fn shown(&self) -> Option<String> {
        match self {
            RuleError::Filter { rule, source } => {
                let text = rule.filter.as_deref().unwrap_or_default();
                Some(format!("the filter of {rule}: {}", source.shown(text)))
            }
            RuleError::NoData { .. } => None,
        }
    }

    /// What to try.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            RuleError::Filter { .. } => None,
            RuleError::NoData { .. } => Some(
                "record with --payload write, which is the default, to mask data of writes, and with --payload all to mask those of reads",
            ),
        }
    }
}

/// How many requests rules meant on one side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// By each rule, in their order.
    pub by_rule: Vec<u64>,
    /// Requests that were left out.
    pub left_out: u64,
}

/// Gets data of a side.
pub type GetData<'a> = dyn Fn(PayloadId) -> Result<Option<Bytes>, DiffError> + 'a;

/// What is left of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing.
    Out,
    /// All of it, with these data.
    In {
        /// What is known of its data, with zeroes where they are masked.
        payload: Payload,
        /// Bytes are masked.
        masked: bool,
    },
}

/// Rules as one side understands them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SideRules {
    rules: Vec<Understood>,
}

#[derive(Debug, Clone, PartialEq)]
struct Understood {
    rule: IgnoreRule,
    filter: Option<Filter>,
}

impl SideRules {
    /// Rules, understood by `understand`. Where data are not compared, there should be no masks among them.
    pub fn of(
        rules: &[IgnoreRule],
        understand: &dyn Fn(&str) -> Result<Filter, QueryError>,
    ) -> Result<SideRules, RuleError> {
        let understood = |rule: &IgnoreRule| {
            let filter = rule.filter.as_deref().map(understand).transpose();
            let filter = filter.map_err(|source| RuleError::filter(rule, source))?;
            Ok(Understood { rule: rule.clone(), filter })
        };
        Ok(SideRules { rules: rules.iter().map(understood).collect::<Result<_, _>>()? })
    }

    /// The filters, with the texts they are made of and the names of their rules.
    pub(super) fn filters(&mut self) -> impl Iterator<Item = (&IgnoreRule, &mut Filter)> {
        self.rules.iter_mut().filter_map(|one| Some((&one.rule, one.filter.as_mut()?)))
    }

    /// What it takes beside rows to ask them.
    pub fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for filter in self.rules.iter().filter_map(|one| one.filter.as_ref()) {
            let own = filter.needs();
            needs.first_pass |= own.first_pass;
            needs.marks |= own.marks;
            needs.data |= own.data;
            needs.context |= own.context;
            needs.written |= own.written;
        }
        needs
    }

    /// Nothing counted yet.
    pub fn nothing_meant(&self) -> Meant {
        Meant { by_rule: vec![0; self.rules.len()], left_out: 0 }
    }

    /// What is left of a request.
    pub fn judge(&self, row: &Row, data: &GetData<'_>) -> Result<Left, DiffError> {
        self.judged(row, data, None)
    }

    /// The data of a request that is compared with zeroes where they are masked; `None` if nothing of them is.
    pub fn masked(&self, row: &Row, data: &GetData<'_>) -> Result<Option<Bytes>, DiffError> {
        self.erased(row, data, None).map(|(_, erased)| erased.map(Bytes::from))
    }

    /// Whether masks ask for more than is compared of a request, and so for its own row.
    pub(super) fn masks_ask_rows(&self) -> bool {
        let masks = self.rules.iter().filter(|one| matches!(one.rule.does, Does::Mask(_)));
        masks.filter_map(|one| one.filter.as_ref()).any(|filter| {
            filter.needs().first_pass
                || filter.marks().next().is_some()
                || filter.fields().iter().any(|field| !COMPARED.contains(&field.name))
        })
    }

    /// As [`SideRules::judge`]; asks every rule and counts.
    pub fn count(
        &self,
        row: &Row,
        data: &GetData<'_>,
        meant: &mut Meant,
    ) -> Result<Left, DiffError> {
        let left = self.judged(row, data, Some(&mut meant.by_rule))?;
        meant.left_out += u64::from(left == Left::Out);
        Ok(left)
    }

    /// Masks are asked only of what is not left out: of that, no data are wanted.
    fn judged(
        &self,
        row: &Row,
        data: &GetData<'_>,
        mut counts: Option<&mut Vec<u64>>,
    ) -> Result<Left, DiffError> {
        let mut out = false;
        for (place, one) in self.rules.iter().enumerate() {
            if matches!(one.rule.does, Does::Mask(_)) {
                continue;
            }
            let holds = one.holds(row, data)?;
            out |= holds == (one.rule.does == Does::LeaveOut);
            match &mut counts {
                Some(counts) => counts[place] += u64::from(holds),
                None if out => break,
                None => {}
            }
        }
        if out {
            return Ok(Left::Out);
        }
        let (masked, erased) = self.erased(row, data, counts)?;
        let payload = match &erased {
            None => row.payload,
            // Where the data lie stays known.
            Some(erased) => match (row.payload, Payload::of(erased)) {
                (Payload::Stored(_, id), Payload::Digest(digest)) => Payload::Stored(digest, id),
                (_, payload) => payload,
            },
        };
        Ok(Left::In { payload, masked })
    }

    /// Whether masks mean bytes of a request, and its data with zeroes there.
    fn erased(
        &self,
        row: &Row,
        data: &GetData<'_>,
        mut counts: Option<&mut Vec<u64>>,
    ) -> Result<(bool, Option<Vec<u8>>), DiffError> {
        let mut masked = false;
        let mut erased: Option<Vec<u8>> = None;
        for (place, one) in self.rules.iter().enumerate() {
            let Does::Mask(mask) = &one.rule.does else { continue };
            let masks = Self::masks(one, mask, row, data, &mut erased)?;
            masked |= masks;
            if let Some(counts) = &mut counts {
                counts[place] += u64::from(masks);
            }
        }
        Ok((masked, erased))
    }

    /// Whether a mask means bytes of a request, which are zeroes in `erased` then: its data, once they are known.
    fn masks(
        one: &Understood,
        mask: &Mask,
        row: &Row,
        data: &GetData<'_>,
        erased: &mut Option<Vec<u8>>,
    ) -> Result<bool, DiffError> {
        let range = ByteRange::new(row.request.range.offset, row.request.data_bytes());
        if !mask.touches(range) || (!mask.asks_blocks() && !one.holds(row, data)?) {
            return Ok(false);
        }
        let id = match row.payload {
            // Of what failed, or never ended, there are no data.
            Payload::Absent if !ended_well(row) => return Ok(false),
            // They stay zeroes, whatever is masked of them.
            Payload::Zeroes => return Ok(!mask.asks_blocks()),
            Payload::Absent | Payload::Digest(_) if mask.asks_blocks() => {
                return one.asks_no_block(mask, row).map(|()| false);
            }
            Payload::Absent | Payload::Digest(_) => return Err(one.no_data(row).into()),
            Payload::Stored(_, id) => id,
        };
        let whole = data(id)?.ok_or_else(|| one.no_data(row))?;
        let bytes = erased.get_or_insert_with(|| whole.to_vec());
        let mut wrong = None;
        let masks = mask.erase(range, bytes, &mut |block| {
            one.holds_for(row, &whole, range, block).unwrap_or_else(|error| {
                wrong = Some(error);
                false
            })
        });
        wrong.map_or(Ok(masks), Err)
    }
}

/// Asks for a rule something of a request. That data are wanted which the request had and the side does not have is trouble.
pub(super) fn asking<T>(
    rule: &IgnoreRule,
    row: &Row,
    data: &GetData<'_>,
    ask: impl FnOnce(&Asked<'_>) -> T,
) -> Result<T, DiffError> {
    let wrong = RefCell::new(None);
    let fetch = |id| match data(id) {
        Ok(data) => data,
        Err(error) => {
            *wrong.borrow_mut() = Some(error);
            None
        }
    };
    let asked = Asked::with_data(row, &fetch);
    let said = ask(&asked);
    let lacked = asked.lacked_data() && (row.payload != Payload::Absent || ended_well(row));
    drop(asked);
    match wrong.into_inner() {
        Some(error) => Err(error),
        None if lacked => Err(RuleError::no_data(rule, row).into()),
        None => Ok(said),
    }
}

impl Understood {
    fn no_data(&self, row: &Row) -> RuleError {
        RuleError::no_data(&self.rule, row)
    }

    /// Whether its filter means a request.
    fn holds(&self, row: &Row, data: &GetData<'_>) -> Result<bool, DiffError> {
        let Some(filter) = &self.filter else { return Ok(true) };
        asking(&self.rule, row, data, |asked| filter.refused(asked).is_none())
    }

    /// Whether its filter means a block of a request whose data are known, asked as if it were a request of its own.
    fn holds_for(
        &self,
        row: &Row,
        whole: &Bytes,
        of: ByteRange,
        block: ByteRange,
    ) -> Result<bool, DiffError> {
        let start = usize::try_from(block.offset - of.offset).unwrap_or(usize::MAX);
        let end = usize::try_from(block.end() - of.offset).unwrap_or(usize::MAX);
        let Some(bytes) = whole.get(start..end) else { return Ok(false) };
        let payload = match Payload::of(bytes) {
            Payload::Digest(digest) => Payload::Stored(digest, PayloadId(0)),
            payload => payload,
        };
        let bytes = whole.slice(start..end);
        self.holds(&as_block(row, block, payload), &|_| Ok(Some(bytes.clone())))
    }

    /// Trouble if it wants to know the data of blocks of a request that has none.
    fn asks_no_block(&self, mask: &Mask, row: &Row) -> Result<(), DiffError> {
        let range = row.request.range;
        let mut wrong = Ok(());
        let mut nothing = Vec::new();
        mask.erase(range, &mut nothing, &mut |block| {
            let payload = Payload::Digest(Digest(0));
            match self.holds(&as_block(row, block, payload), &|_| Ok(None)) {
                Ok(true) if wrong.is_ok() => wrong = Err(self.no_data(row).into()),
                Err(error) if wrong.is_ok() => wrong = Err(error),
                _ => {}
            }
            false
        });
        wrong
    }
}

fn ended_well(row: &Row) -> bool {
    row.completion.as_ref().is_some_and(|completion| completion.result.is_ok())
}
