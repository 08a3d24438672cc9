//! The connection to Snowflake: its own protocol, spoken and read.
//!
//! - `cells` the bytes of an answer as rows; pure

mod cells;
