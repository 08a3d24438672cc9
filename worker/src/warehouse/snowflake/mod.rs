//! An account at Snowflake.

#[allow(dead_code, reason = "the connection that uses it is being built")]
mod account;
#[allow(dead_code, reason = "the connection that uses it is being built")]
mod failure;
#[allow(dead_code, reason = "the connection that uses it is being built")]
mod key;
#[allow(dead_code, reason = "the connection that uses it is being built")]
mod login;
#[allow(dead_code, reason = "the connection that uses it is being built")]
mod oauth;
