//! What was judged beside the differences: budgets, and what is worth a warning. Values only.
//!
//! Invariant: a budget that could not be judged for want of runs is not kept and not exceeded: it is trouble, elsewhere.

/// Of what kind a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// A plain number.
    #[default]
    Number,
    /// Bytes.
    Bytes,
    /// Nanoseconds.
    Time,
}

/// How a budget came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// Within its limit.
    Kept,
    /// Over its limit.
    Over,
    /// Over its limit, by a change that may be chance.
    Unsure,
}

/// A budget that was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Budgeted {
    /// What it is called.
    pub name: String,
    /// What was measured, as it was written: `count(flush)`.
    pub metric: String,
    /// Of what kind the figures are.
    pub unit: Unit,
    /// The figure of base; of several runs, their median.
    pub base: f64,
    /// The figure of new.
    pub new: f64,
    /// What was allowed, as it was written: `+5%`.
    pub limit: String,
    /// How it came out.
    pub verdict: Budget,
    /// How likely a change like this is by chance, from 0 to 1; `None` if that was not asked.
    pub p: Option<f64>,
    /// How many runs of base and of new were measured.
    pub runs: (usize, usize),
    /// Where it was written, as `FILE:LINE`; `None` on the command line.
    pub at: Option<String>,
}

impl Budgeted {
    /// The change, as a part of base; `None` from 0 to something.
    pub fn change(&self) -> Option<f64> {
        let change = self.new - self.base;
        // Of nothing, nothing is no part, and something is one that has no number.
        if change.abs() > 0.0 {
            (self.base.abs() > 0.0).then(|| change / self.base)
        } else {
            Some(0.0)
        }
    }

    /// Whether it counts against new.
    pub fn is_over(&self) -> bool {
        self.verdict == Budget::Over
    }
}

/// Something that may matter and decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is, for programs: `unused-ignore`.
    pub code: &'static str,
    /// What it is, for people.
    pub message: String,
    /// What it is about, as `FILE:LINE`.
    pub at: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_part_of_base_where_base_is_something() {
        let of = |base: f64, new: f64| Budgeted {
            name: "flushes".into(),
            metric: "count(flush)".into(),
            unit: Unit::Number,
            base,
            new,
            limit: "+5%".into(),
            verdict: Budget::Kept,
            p: None,
            runs: (1, 1),
            at: None,
        };
        assert_eq!(of(4.0, 5.0).change(), Some(0.25));
        assert_eq!(of(4.0, 3.0).change(), Some(-0.25));
        assert_eq!(of(0.0, 0.0).change(), Some(0.0));
        assert_eq!(of(0.0, 1.0).change(), None);
    }
}
