//! The order of sorted pages: what resources are sorted by.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::plan::Order;
use super::values::{Found, plain};
use crate::fhir::Doc;

/// Letters of a text that count for the order: as many as tell names apart, and few enough
/// to keep for thousands of matches. Those that agree so far are sorted by id.
const LETTERS_MAX: usize = 64;

/// What resources are sorted by: a value for each order, none for a resource without.
pub(super) type Ranks = Vec<Option<Rank>>;

/// A value to sort by. Patient data: it is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Moment(i64),
    Number(Decimal),
    Text(String),
}

impl Rank {
    fn of(found: &Found) -> Self {
        let cut = |text: &str| Self::Text(text.chars().take(LETTERS_MAX).collect());
        match found {
            Found::Date(span) => Self::Moment(span.low),
            Found::Number(value) => Self::Number(*value),
            // Numbers of one unit are told apart by it; those of others come where they fall.
            Found::Quantity(own) => {
                Self::Number(own.canonical.as_ref().map_or(own.value, |(value, _)| *value))
            }
            Found::Group(_) => Self::Text(String::new()),
            Found::Text(text) => cut(&plain(text)),
            Found::Uri(text) => cut(text),
            Found::Token(token) => {
                cut(token.code.as_deref().or(token.text.as_deref()).unwrap_or_default())
            }
            Found::Reference(reference) => {
                let kind = reference.kind.as_deref().unwrap_or_default();
                let id = reference.url.as_deref().or(reference.id.as_deref());
                cut(&format!("{kind}/{}", id.unwrap_or_default()))
            }
        }
    }
}

/// What a resource is sorted by.
pub(super) fn ranks(orders: &[Order], doc: &Doc) -> Ranks {
    let best = |order: &Order| {
        let values = order.parameter.values(doc.root()).unwrap_or_default();
        let ranks = values.iter().map(Rank::of);
        if order.descending { ranks.max() } else { ranks.min() }
    };
    orders.iter().map(best).collect()
}

/// Compares two by the orders; those without a value come last.
pub(super) fn compare(orders: &[Order], a: &Ranks, b: &Ranks) -> Ordering {
    for (order, (a, b)) in orders.iter().zip(a.iter().zip(b)) {
        let ordering = match (a, b) {
            (Some(a), Some(b)) if order.descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
    Ordering::Equal
}
