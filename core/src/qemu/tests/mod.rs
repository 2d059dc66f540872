//! Tests of logs of every layout: tables, what is written and read again, what is broken.

mod generated;
mod tables;
