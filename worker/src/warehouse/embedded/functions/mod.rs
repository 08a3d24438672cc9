//! The functions of the account. [`table`] is the one list of names: what is not in it is not
//! known. The other files hold the meanings that the engine does not have itself.

mod convert;
mod dates;
mod format;
mod numbers;
mod part;
mod scalar;
pub(crate) mod table;
mod text;

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

pub(crate) use format::number_text;
pub(crate) use part::Part;

/// Our functions by the name under which the rewriting calls them.
pub(crate) fn ours() -> HashMap<&'static str, Arc<ScalarUDF>> {
    [numbers::NUMBERS, dates::DATES, convert::CONVERSIONS, text::TEXTS]
        .into_iter()
        .flatten()
        .map(|scalar| (scalar.name, Arc::new(scalar::framed(scalar))))
        .collect()
}
