//! Why two traces cannot be compared: trouble, which is never a difference.

use std::error::Error;

use crate::format::{Loss, ReadError};
use crate::limits::{EPOCHS_LISTED_MAX, ROWS_HELD_MAX};
use crate::request::{DeviceId, RequestId};

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What it is compared with.
    Base,
    /// What is compared.
    New,
}

impl Which {
    /// What this side has, of what base and new have.
    pub fn of<T>(self, [base, new]: [T; 2]) -> T {
        match self {
            Which::Base => base,
            Which::New => new,
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Which::Base => "base",
            Which::New => "new",
        })
    }
}

/// Why two traces cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// A side cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A side that was read before cannot be opened again.
    #[error(transparent)]
    Again(Box<dyn Error + Send + Sync>),
    /// A side is not whole, and that was not allowed.
    #[error("it is not whole: {0}")]
    Loss(Loss),
    /// A rule cannot be used.
    #[error(transparent)]
    Rule(#[from] super::ignore::RuleError),
    /// A text cannot be compared.
    #[error(transparent)]
    Text(#[from] super::text_side::TextError),
    /// A budget cannot be judged.
    #[error(transparent)]
    Budget(Box<super::budget::BudgetError>),
    /// A request of a device that the header of its trace does not have.
    #[error("request {id} is of device {}, which the header does not have", device.0)]
    Device {
        /// The request.
        id: RequestId,
        /// The device, by the number in its trace.
        device: DeviceId,
    },
    /// A request that is open for so long that nothing waits for how it ended.
    #[error("request {id} has no end within the {ROWS_HELD_MAX} requests behind it")]
    Open {
        /// The request.
        id: RequestId,
    },
    /// Summaries and events do not say the same, or the side is another than before.
    #[error("epoch {epoch} of device {} is said to have {said} requests and has not", device.0)]
    Sums {
        /// The device, by its number on the base side.
        device: DeviceId,
        /// The epoch.
        epoch: u64,
        /// How many requests it is said to have.
        said: u64,
    },
    /// What is compared and what filters are asked of do not go together: the side is another than before, or is told wrongly.
    #[error("request {id} is not where it was")]
    Row {
        /// The request.
        id: RequestId,
    },
    /// What a request wrote is not known, and is compared.
    #[error("the data of write {id} are not there")]
    NoData {
        /// The request.
        id: RequestId,
    },
    /// So many epochs that they cannot be aligned by what they wrote.
    #[error("device {} has more than {EPOCHS_LISTED_MAX} epochs", device.0)]
    Epochs {
        /// The device, by its number on the base side.
        device: DeviceId,
    },
    /// So many parts of a device were written that it is not known byte by byte what was.
    #[error("more than {most} separate parts of device {} were written", device.0)]
    Scattered {
        /// The device, by its number on the base side.
        device: DeviceId,
        /// So many can be told apart.
        most: usize,
    },
    /// A file for what is compared, which has no name, cannot be used.
    #[error("cannot use a temporary file")]
    Scratch(#[from] std::io::Error),
    /// A thread that goes over a side cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The same, and on which side.
    #[error("{which}: {source}")]
    Side {
        /// Which side.
        which: Which,
        /// What is wrong there.
        source: Box<DiffError>,
    },
}

impl DiffError {
    /// The same, said of a side.
    #[must_use]
    pub fn of(self, which: Which) -> DiffError {
        match self {
            said @ DiffError::Side { .. } => said,
            error => DiffError::Side { which, source: Box::new(error) },
        }
    }
}

impl From<super::budget::BudgetError> for DiffError {
    fn from(error: super::budget::BudgetError) -> DiffError {
        DiffError::Budget(Box::new(error))
    }
}
