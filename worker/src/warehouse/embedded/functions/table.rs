//! The one list of functions that a statement can call, and how each is answered.

use std::ops::RangeInclusive;

use crate::warehouse::embedded::rewrite::written::{self, Written};

/// A function that a statement can call.
pub(crate) struct Known {
    /// Its name in Snowflake.
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arity: RangeInclusive<usize>,
    /// How it is answered.
    pub(crate) how: How,
}

/// How a function is answered.
#[derive(Clone, Copy)]
pub(crate) enum How {
    /// By the engine, under this name.
    Engine(&'static str),
    /// By the engine, in binary floating point.
    Float(&'static str),
    /// By one of ours.
    Ours(&'static str),
    /// By one of ours whose first argument is the date part that the call names.
    Part(&'static str),
    /// By one of ours for a part that the function's name implies.
    ImpliedPart(&'static str),
    /// By another expression.
    Written(Written),
    /// By a fact about the session.
    Fact(Fact),
}

/// What is known about a session before a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fact {
    /// The account's locator.
    Account,
    /// The organisation's name.
    Organization,
    /// The user.
    User,
    /// The role.
    Role,
    /// The warehouse.
    Warehouse,
    /// The database of the context.
    Database,
    /// The schema of the context.
    Schema,
    /// The version.
    Version,
    /// The session's number.
    Session,
    /// The region.
    Region,
    /// What kind of client asks.
    Client,
}

const MANY: usize = 10_000;

const fn known(name: &'static str, arity: RangeInclusive<usize>, how: How) -> Known {
    Known { name, arity, how }
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Known> {
    TABLE.iter().find(|known| known.name == name)
}

/// All functions.
pub(crate) const TABLE: &[Known] = &[
    // Choices and NULL.
    known("COALESCE", 1..=MANY, How::Engine("coalesce")),
    known("DECODE", 3..=MANY, How::Written(written::decode)),
    known("EQUAL_NULL", 2..=2, How::Written(written::equal_null)),
    known("GREATEST", 1..=MANY, How::Written(written::extreme)),
    known("IFF", 3..=3, How::Written(written::iff)),
    known("IFNULL", 2..=2, How::Engine("coalesce")),
    known("LEAST", 1..=MANY, How::Written(written::extreme)),
    known("NULLIF", 2..=2, How::Engine("nullif")),
    known("NULLIFZERO", 1..=1, How::Written(written::nullifzero)),
    known("NVL", 2..=2, How::Engine("coalesce")),
    known("NVL2", 3..=3, How::Written(written::nvl2)),
    known("ZEROIFNULL", 1..=1, How::Written(written::zeroifnull)),
    // Numbers.
    known("ABS", 1..=1, How::Engine("abs")),
    known("ACOS", 1..=1, How::Float("acos")),
    known("ASIN", 1..=1, How::Float("asin")),
    known("ATAN", 1..=1, How::Float("atan")),
    known("ATAN2", 2..=2, How::Float("atan2")),
    known("CBRT", 1..=1, How::Float("cbrt")),
    known("CEIL", 1..=2, How::Ours("sf_ceil")),
    known("COS", 1..=1, How::Float("cos")),
    known("DEGREES", 1..=1, How::Float("degrees")),
    known("DIV0", 2..=2, How::Ours("sf_div0")),
    known("DIV0NULL", 2..=2, How::Written(written::div0null)),
    known("EXP", 1..=1, How::Float("exp")),
    known("FLOOR", 1..=2, How::Ours("sf_floor")),
    known("LN", 1..=1, How::Float("ln")),
    known("LOG", 2..=2, How::Float("log")),
    known("MOD", 2..=2, How::Written(written::modulo)),
    known("PI", 0..=0, How::Engine("pi")),
    known("POW", 2..=2, How::Float("power")),
    known("POWER", 2..=2, How::Float("power")),
    known("RADIANS", 1..=1, How::Float("radians")),
    known("RANDOM", 0..=1, How::Written(written::random)),
    known("ROUND", 1..=2, How::Ours("sf_round")),
    known("SIGN", 1..=1, How::Written(written::sign)),
    known("SIN", 1..=1, How::Float("sin")),
    known("SQRT", 1..=1, How::Float("sqrt")),
    known("SQUARE", 1..=1, How::Written(written::square)),
    known("TAN", 1..=1, How::Float("tan")),
    known("TRUNC", 1..=2, How::Written(written::trunc)),
    known("TRUNCATE", 1..=2, How::Written(written::trunc)),
    // Text.
    known("ASCII", 1..=1, How::Engine("ascii")),
    known("CHARINDEX", 2..=3, How::Ours("sf_charindex")),
    known("CHR", 1..=1, How::Engine("chr")),
    known("CONCAT", 1..=MANY, How::Written(written::concat)),
    known("CONCAT_WS", 2..=MANY, How::Written(written::concat_ws)),
    known("CONTAINS", 2..=2, How::Engine("contains")),
    known("ENDSWITH", 2..=2, How::Engine("ends_with")),
    known("INITCAP", 1..=1, How::Engine("initcap")),
    known("LEFT", 2..=2, How::Engine("left")),
    known("LEN", 1..=1, How::Written(written::length)),
    known("LENGTH", 1..=1, How::Written(written::length)),
    known("LOWER", 1..=1, How::Engine("lower")),
    known("LPAD", 2..=3, How::Engine("lpad")),
    known("LTRIM", 1..=2, How::Engine("ltrim")),
    known("POSITION", 2..=3, How::Ours("sf_charindex")),
    known("REGEXP_COUNT", 2..=2, How::Engine("regexp_count")),
    known("REGEXP_LIKE", 2..=2, How::Written(written::regexp_like)),
    known("REGEXP_REPLACE", 2..=3, How::Written(written::regexp_replace)),
    known("REGEXP_SUBSTR", 2..=2, How::Ours("sf_regexp_substr")),
    known("REPEAT", 2..=2, How::Engine("repeat")),
    known("REPLACE", 2..=3, How::Written(written::replace)),
    known("REVERSE", 1..=1, How::Engine("reverse")),
    known("RIGHT", 2..=2, How::Engine("right")),
    known("RLIKE", 2..=2, How::Written(written::regexp_like)),
    known("RPAD", 2..=3, How::Engine("rpad")),
    known("RTRIM", 1..=2, How::Engine("rtrim")),
    known("SPLIT_PART", 3..=3, How::Ours("sf_split_part")),
    known("STARTSWITH", 2..=2, How::Engine("starts_with")),
    known("SUBSTR", 2..=3, How::Ours("sf_substr")),
    known("SUBSTRING", 2..=3, How::Ours("sf_substr")),
    known("TRANSLATE", 3..=3, How::Engine("translate")),
    known("TRIM", 1..=2, How::Engine("btrim")),
    known("UPPER", 1..=1, How::Engine("upper")),
    // Dates and times.
    known("ADD_MONTHS", 2..=2, How::Ours("sf_add_months")),
    known("CURRENT_DATE", 0..=0, How::Engine("current_date")),
    known("CURRENT_TIMESTAMP", 0..=1, How::Written(written::now)),
    known("DATEADD", 3..=3, How::Part("sf_dateadd")),
    known("DATEDIFF", 3..=3, How::Part("sf_datediff")),
    known("DATE_FROM_PARTS", 3..=3, How::Ours("sf_date_from_parts")),
    known("DATE_PART", 2..=2, How::Part("sf_date_part")),
    known("DATE_TRUNC", 2..=2, How::Part("sf_date_trunc")),
    known("DAY", 1..=1, How::ImpliedPart("sf_date_part")),
    known("DAYNAME", 1..=1, How::Ours("sf_dayname")),
    known("DAYOFMONTH", 1..=1, How::ImpliedPart("sf_date_part")),
    known("DAYOFWEEK", 1..=1, How::ImpliedPart("sf_date_part")),
    known("DAYOFWEEKISO", 1..=1, How::ImpliedPart("sf_date_part")),
    known("DAYOFYEAR", 1..=1, How::ImpliedPart("sf_date_part")),
    known("GETDATE", 0..=0, How::Written(written::now)),
    known("HOUR", 1..=1, How::ImpliedPart("sf_date_part")),
    known("LAST_DAY", 1..=2, How::Written(written::last_day)),
    known("LOCALTIMESTAMP", 0..=1, How::Written(written::now)),
    known("MINUTE", 1..=1, How::ImpliedPart("sf_date_part")),
    known("MONTH", 1..=1, How::ImpliedPart("sf_date_part")),
    known("MONTHNAME", 1..=1, How::Ours("sf_monthname")),
    known("MONTHS_BETWEEN", 2..=2, How::Ours("sf_months_between")),
    known("QUARTER", 1..=1, How::ImpliedPart("sf_date_part")),
    known("SECOND", 1..=1, How::ImpliedPart("sf_date_part")),
    known("SYSDATE", 0..=0, How::Written(written::sysdate)),
    known("SYSTIMESTAMP", 0..=0, How::Written(written::now)),
    known("TIMEADD", 3..=3, How::Part("sf_dateadd")),
    known("TIMEDIFF", 3..=3, How::Part("sf_datediff")),
    known("TIMESTAMPADD", 3..=3, How::Part("sf_dateadd")),
    known("TIMESTAMPDIFF", 3..=3, How::Part("sf_datediff")),
    known("WEEK", 1..=1, How::ImpliedPart("sf_date_part")),
    known("WEEKISO", 1..=1, How::ImpliedPart("sf_date_part")),
    known("WEEKOFYEAR", 1..=1, How::ImpliedPart("sf_date_part")),
    known("YEAR", 1..=1, How::ImpliedPart("sf_date_part")),
    known("YEAROFWEEK", 1..=1, How::ImpliedPart("sf_date_part")),
    // Conversions.
    known("DATE", 1..=2, How::Ours("sf_to_date")),
    known("TO_BOOLEAN", 1..=1, How::Ours("sf_to_boolean")),
    known("TO_CHAR", 1..=2, How::Ours("sf_to_varchar")),
    known("TO_DATE", 1..=2, How::Ours("sf_to_date")),
    known("TO_DECIMAL", 1..=3, How::Written(written::to_number)),
    known("TO_DOUBLE", 1..=1, How::Ours("sf_to_double")),
    known("TO_NUMBER", 1..=3, How::Written(written::to_number)),
    known("TO_NUMERIC", 1..=3, How::Written(written::to_number)),
    known("TO_TIMESTAMP", 1..=2, How::Ours("sf_to_timestamp")),
    known("TO_TIMESTAMP_NTZ", 1..=2, How::Ours("sf_to_timestamp")),
    known("TO_VARCHAR", 1..=2, How::Ours("sf_to_varchar")),
    known("TRY_TO_BOOLEAN", 1..=1, How::Ours("sf_try_to_boolean")),
    known("TRY_TO_DATE", 1..=2, How::Ours("sf_try_to_date")),
    known("TRY_TO_DECIMAL", 1..=3, How::Written(written::try_to_number)),
    known("TRY_TO_DOUBLE", 1..=1, How::Ours("sf_try_to_double")),
    known("TRY_TO_NUMBER", 1..=3, How::Written(written::try_to_number)),
    known("TRY_TO_NUMERIC", 1..=3, How::Written(written::try_to_number)),
    known("TRY_TO_TIMESTAMP", 1..=2, How::Ours("sf_try_to_timestamp")),
    known("TRY_TO_TIMESTAMP_NTZ", 1..=2, How::Ours("sf_try_to_timestamp")),
    // Aggregates.
    known("ANY_VALUE", 1..=1, How::Engine("first_value")),
    known("APPROX_COUNT_DISTINCT", 1..=1, How::Written(written::count_distinct)),
    known("APPROX_PERCENTILE", 2..=2, How::Written(written::approx_percentile)),
    known("AVG", 1..=1, How::Written(written::avg)),
    known("BOOLAND_AGG", 1..=1, How::Engine("bool_and")),
    known("BOOLOR_AGG", 1..=1, How::Engine("bool_or")),
    known("CORR", 2..=2, How::Float("corr")),
    known("COUNT", 1..=1, How::Engine("count")),
    known("COUNT_IF", 1..=1, How::Written(written::count_if)),
    known("COVAR_POP", 2..=2, How::Float("covar_pop")),
    known("COVAR_SAMP", 2..=2, How::Float("covar_samp")),
    known("GROUPING", 1..=1, How::Engine("grouping")),
    known("HLL", 1..=1, How::Written(written::count_distinct)),
    known("LISTAGG", 1..=2, How::Written(written::listagg)),
    known("MAX", 1..=1, How::Engine("max")),
    known("MAX_BY", 2..=2, How::Written(written::max_by)),
    known("MEDIAN", 1..=1, How::Written(written::median)),
    known("MIN", 1..=1, How::Engine("min")),
    known("MIN_BY", 2..=2, How::Written(written::min_by)),
    known("PERCENTILE_CONT", 1..=1, How::Engine("percentile_cont")),
    known("REGR_INTERCEPT", 2..=2, How::Float("regr_intercept")),
    known("REGR_R2", 2..=2, How::Float("regr_r2")),
    known("REGR_SLOPE", 2..=2, How::Float("regr_slope")),
    known("STDDEV", 1..=1, How::Float("stddev")),
    known("STDDEV_POP", 1..=1, How::Float("stddev_pop")),
    known("STDDEV_SAMP", 1..=1, How::Float("stddev")),
    known("STRING_AGG", 1..=2, How::Written(written::listagg)),
    known("SUM", 1..=1, How::Written(written::sum)),
    known("VARIANCE", 1..=1, How::Float("var")),
    known("VARIANCE_POP", 1..=1, How::Float("var_pop")),
    known("VARIANCE_SAMP", 1..=1, How::Float("var")),
    known("VAR_POP", 1..=1, How::Float("var_pop")),
    known("VAR_SAMP", 1..=1, How::Float("var")),
    // Windows.
    known("CUME_DIST", 0..=0, How::Engine("cume_dist")),
    known("DENSE_RANK", 0..=0, How::Engine("dense_rank")),
    known("FIRST_VALUE", 1..=1, How::Written(written::framed)),
    known("LAG", 1..=3, How::Engine("lag")),
    known("LAST_VALUE", 1..=1, How::Written(written::framed)),
    known("LEAD", 1..=3, How::Engine("lead")),
    known("NTH_VALUE", 2..=2, How::Written(written::framed)),
    known("NTILE", 1..=1, How::Engine("ntile")),
    known("PERCENT_RANK", 0..=0, How::Engine("percent_rank")),
    known("RANK", 0..=0, How::Engine("rank")),
    known("RATIO_TO_REPORT", 1..=1, How::Written(written::ratio_to_report)),
    known("ROW_NUMBER", 0..=0, How::Engine("row_number")),
    // The session and its account.
    known("CURRENT_ACCOUNT", 0..=0, How::Fact(Fact::Account)),
    known("CURRENT_ACCOUNT_NAME", 0..=0, How::Fact(Fact::Account)),
    known("CURRENT_CLIENT", 0..=0, How::Fact(Fact::Client)),
    known("CURRENT_DATABASE", 0..=0, How::Fact(Fact::Database)),
    known("CURRENT_ORGANIZATION_NAME", 0..=0, How::Fact(Fact::Organization)),
    known("CURRENT_REGION", 0..=0, How::Fact(Fact::Region)),
    known("CURRENT_ROLE", 0..=0, How::Fact(Fact::Role)),
    known("CURRENT_SCHEMA", 0..=0, How::Fact(Fact::Schema)),
    known("CURRENT_SESSION", 0..=0, How::Fact(Fact::Session)),
    known("CURRENT_USER", 0..=0, How::Fact(Fact::User)),
    known("CURRENT_VERSION", 0..=0, How::Fact(Fact::Version)),
    known("CURRENT_WAREHOUSE", 0..=0, How::Fact(Fact::Warehouse)),
    known("GET_DDL", 2..=3, How::Written(written::get_ddl)),
];
