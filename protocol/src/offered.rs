//! What a worker offers besides its own tools: those that the configuration declares.
//!
//! They were checked as far as this is possible without knowing SQL; whether a statement may be
//! run at all is for the worker's gate to say.

use serde::{Deserialize, Serialize};

use crate::access::{Allowed, Level};

/// The tools that the configuration declares.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Statements with parameters.
    pub tools: Vec<StatementTool>,
    /// Services of the account beside SQL.
    pub cortex: Vec<CortexService>,
}

/// A tool that asks a service of the account, or takes any statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CortexService {
    /// Its name, by which it is called.
    pub name: String,
    /// What it is.
    pub kind: CortexKind,
    /// What it is for, in words for whoever chooses among the tools.
    pub description: String,
    /// The service, `DATABASE.SCHEMA.NAME`; of Cortex Analyst also the file of a model in a stage.
    /// Nothing for statements.
    pub identifier: Option<String>,
    /// The columns that a search gives, unless a call names others.
    pub columns: Vec<String>,
    /// The most results of a search, and the most rows of a routine's answer.
    pub results_max: Option<u32>,
    /// Where it is asked.
    pub place: StatementPlace,
    /// Who may call it, by the names of clients.
    pub clients: Allowed,
    /// How a routine is called; nothing for other services.
    pub routine: Option<Routine>,
}

/// A function or a procedure of the account, which is called with values that a caller gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Routine {
    /// What it is.
    pub kind: RoutineKind,
    /// Its arguments, in the order of their names.
    pub parameters: Vec<Parameter>,
    /// The order in which they are given; without one each is given by its name.
    pub order: Vec<String>,
}

/// What a routine is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutineKind {
    /// A function that gives a value.
    #[default]
    Function,
    /// A function that gives rows.
    TableFunction,
    /// A procedure, which may do anything.
    Procedure,
}

/// What a service is, in the types of Snowflake's own server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CortexKind {
    /// `CORTEX_SEARCH_SERVICE_QUERY`.
    Search,
    /// `CORTEX_ANALYST_MESSAGE`.
    Analyst,
    /// `CORTEX_AGENT_RUN`.
    Agent,
    /// `SYSTEM_EXECUTE_SQL`.
    Sql,
    /// `GENERIC`: a function or a procedure.
    Generic,
}

/// A tool that is one statement, whose values its caller gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementTool {
    /// Its name, by which it is called.
    pub name: String,
    /// What it is for, in words for whoever chooses among the tools.
    pub description: String,
    /// The statement, with each parameter as `:name`.
    pub statement: String,
    /// Its parameters, in the order of their names.
    pub parameters: Vec<Parameter>,
    /// Where the statement runs.
    pub place: StatementPlace,
    /// How far the statement goes; a caller must be allowed to go as far.
    pub level: Level,
    /// The most rows of an answer, where that is less than what holds for all.
    pub rows_max: Option<u32>,
    /// Who may call it, by the names of clients.
    pub clients: Allowed,
}

/// Where a declared statement runs; what is absent is as the session stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementPlace {
    /// The named connection.
    pub connection: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// The virtual warehouse.
    pub warehouse: Option<String>,
    /// The database.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
}

/// A value that a caller gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name, in the statement and for the caller.
    pub name: String,
    /// What it is.
    pub kind: ParameterKind,
    /// What it is for, in words for the caller.
    pub description: Option<String>,
    /// Whether it must be given.
    pub need: Need,
    /// The values that it may have; any of its kind when there are none.
    pub allowed: Vec<Scalar>,
}

/// Whether a parameter must be given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Need {
    /// Always.
    Required,
    /// This stands for it.
    Default(Scalar),
    /// NULL stands for it.
    Optional,
}

/// What a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterKind {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// True or false.
    Boolean,
    /// A day: `2026-01-31`.
    Date,
    /// A day and a time: `2026-01-31T12:00:00`, also with an offset.
    Timestamp,
}

/// A single value, as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Text; also a date or a time.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// True or false.
    Boolean(bool),
}
