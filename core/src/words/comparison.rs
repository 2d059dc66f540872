//! What is said of a comparison wherever one is shown. What was counted comes in, text goes out.
//!
//! Knows not how numbers are written. Invariant: a line says what to try.

/// That not all pairs were looked for. `window` is how many requests were looked at together, as a reader counts them:
/// `65,536 requests`.
pub fn gave_up(window: &str) -> String {
    format!("not all pairs were looked for: more than {window} differ in one place (--window)")
}
