//! `client`: what a person may ask about those who may call, and their keys.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{Output, words};

/// What to do about clients.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// List the clients of the file, what each may do, and its keys
    List(Output),
    /// Make, list, revoke and rotate API keys
    #[command(subcommand)]
    Key(KeyCommand),
}

/// What to do about API keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key for a client, and print it: this once, to standard output alone
    ///
    /// A running supervisor takes it in by itself; the command waits for that and says so.
    Create(CreateKey),
    /// List keys by their public parts: whose, made, ends, state
    List(ListKeys),
    /// Refuse a key from the next request on
    Revoke(RevokeKey),
    /// Make another key for the same client, and let the old one end a while later
    Rotate(RotateKey),
}

/// Arguments of `client key create`.
#[derive(Debug, Args)]
pub struct CreateKey {
    /// The client, as its table in the file is called
    #[arg(value_name = "CLIENT")]
    pub client: String,
    /// How long it is good: 90d, 12h [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = words::lifetime)]
    pub expires: Option<Duration>,
    /// What it is for, to tell it from others
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// Print JSON instead of the key alone
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `client key list`.
#[derive(Debug, Args)]
pub struct ListKeys {
    /// Only those of this client
    #[arg(value_name = "CLIENT")]
    pub client: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `client key revoke`.
#[derive(Debug, Args)]
pub struct RevokeKey {
    /// The key's public part, as `client key list` shows it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print JSON instead of words
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `client key rotate`.
#[derive(Debug, Args)]
pub struct RotateKey {
    /// The key's public part, as `client key list` shows it
    #[arg(value_name = "ID")]
    pub id: String,
    /// How long the old one is still good: 24h, 0s
    #[arg(long, value_name = "TIME", value_parser = words::grace, default_value = "24h")]
    pub grace: Duration,
    /// How long the new one is good: 90d, 12h [default: as long as the old one was to be]
    #[arg(long, value_name = "TIME", value_parser = words::lifetime)]
    pub expires: Option<Duration>,
    /// Print JSON instead of the key alone
    #[arg(long)]
    pub json: bool,
}
