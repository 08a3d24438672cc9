//! An answer of SHOW or of a history in the few columns that matter, as a table and as data.

use super::{Reply, position};
use crate::mcp::answer;
use crate::warehouse::Answer;

/// What is shown of a listing: a heading, the columns, and what to say when it is empty.
pub(super) struct Shown<'a> {
    pub(super) heading: &'a str,
    /// Those that the answer has not are left out.
    pub(super) columns: &'a [&'a str],
    pub(super) empty: &'a str,
}

/// The listing for a client, within so many characters.
pub(super) fn reply(listed: Answer, shown: &Shown<'_>, characters_max: usize) -> Reply {
    let mut listed = chosen(listed, shown.columns);
    let found = listed.rows.len();
    answer::fit(&mut listed, characters_max);
    let mut text = match found {
        0 => format!("{}\n\n{}", shown.heading, shown.empty),
        _ => format!("{} ({found})\n\n{}", shown.heading, answer::table(&listed)),
    };
    if listed.truncated {
        text.push_str("\n\nThere are more; say more precisely which ones you look for.");
    }
    Reply::new(text, answer::structured(&listed))
}

/// The columns of these names, in this order.
fn chosen(mut listed: Answer, columns: &[&str]) -> Answer {
    let at: Vec<usize> = columns.iter().filter_map(|name| position(&listed, name)).collect();
    if at.is_empty() {
        return listed;
    }
    listed.columns = at.iter().map(|at| listed.columns[*at].clone()).collect();
    for row in &mut listed.rows {
        *row = at.iter().filter_map(|at| row.get(*at).cloned()).collect();
    }
    listed
}
