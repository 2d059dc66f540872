//! The `blkreplay` command.
fn main() {}
