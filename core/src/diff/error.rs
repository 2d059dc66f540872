//! Why two traces cannot be compared: trouble, which is never a difference.

use std::error::Error;

use crate::format::{Loss, ReadError};

/// One of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// What it is compared with.
    Base,
    /// What is compared.
    New,
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
    /// A budget cannot be judged.
    #[error(transparent)]
    Budget(Box<super::budget::BudgetError>),
}

impl From<super::budget::BudgetError> for DiffError {
    fn from(error: super::budget::BudgetError) -> DiffError {
        DiffError::Budget(Box::new(error))
    }
}
