//! Numbers under names and labels, before they are written down in one form or the other.
//!
//! A sheet is drawn in the loop and written outside of it. Nothing on it is counted here: a number
//! that several processes of a slot have is their sum.

use std::collections::BTreeMap;

use mcp_protocol::measure::{Family, Sizes};

/// What is to be exported.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    families: BTreeMap<&'static str, (Family, BTreeMap<Vec<String>, Number>)>,
}

/// One number of a family.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    /// Of a gauge or a counter.
    Plain(f64),
    /// Of a histogram.
    Sizes(Sizes),
}

impl Sheet {
    /// Writes a number under these labels, in the family's order; the latest one counts.
    pub(super) fn set(&mut self, family: Family, labels: &[&str], number: f64) {
        *self.place(family, labels) = Number::Plain(number);
    }

    /// Adds to the number under these labels.
    pub(super) fn add(&mut self, family: Family, labels: &[&str], number: f64) {
        match self.place(family, labels) {
            Number::Plain(sum) => *sum += number,
            other @ Number::Sizes(_) => *other = Number::Plain(number),
        }
    }

    /// Writes things that were counted by size.
    pub(super) fn sizes(&mut self, family: Family, labels: &[&str], sizes: &Sizes) {
        *self.place(family, labels) = Number::Sizes(sizes.clone());
    }

    /// The families in the order of their names, each with its numbers.
    pub(super) fn families(
        &self,
    ) -> impl Iterator<Item = (&Family, &BTreeMap<Vec<String>, Number>)> {
        self.families.values().map(|(family, numbers)| (family, numbers))
    }

    fn place(&mut self, family: Family, labels: &[&str]) -> &mut Number {
        debug_assert_eq!(family.labels.len(), labels.len(), "{}", family.name);
        let (_, numbers) =
            self.families.entry(family.name).or_insert_with(|| (family, BTreeMap::new()));
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        numbers.entry(labels).or_insert(Number::Plain(0.0))
    }
}

/// Names and values of labels, in the order of the names.
pub(super) fn pairs<'a>(family: &Family, values: &'a [String]) -> Vec<(&'static str, &'a str)> {
    let values = values.iter().map(String::as_str);
    let mut pairs: Vec<_> = family.labels.iter().copied().zip(values).collect();
    pairs.sort_unstable_by_key(|(name, _)| *name);
    pairs
}
