//! Tests of logs of every layout: tables, what is written and read again, what is broken.

mod checks;
mod generated;
mod tables;
