//! The order of sorted pages: what resources are sorted by, and how a page's token says it.

use std::cmp::Ordering;

use rust_decimal::Decimal;

use super::plan::Order;
use super::values::{Found, plain};
use crate::fhir::Doc;

/// Letters of a text that count for the order: as many as tell names apart, and few enough
/// for the link to the next page. Those that agree so far are sorted by id.
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
            Found::Number(value) | Found::Quantity { value, .. } => Self::Number(*value),
            Found::Text(text) => cut(&plain(text)),
            Found::Uri(text) => cut(text),
            Found::Token(token) => {
                cut(token.code.as_deref().or(token.text.as_deref()).unwrap_or_default())
            }
            Found::Reference(reference) => {
                let kind = reference.kind.as_deref().unwrap_or_default();
                let id = reference.id.as_deref().or(reference.url.as_deref());
                cut(&format!("{kind}/{}", id.unwrap_or_default()))
            }
        }
    }

    fn write(&self) -> String {
        match self {
            Self::Moment(micros) => format!("m{micros}"),
            Self::Number(value) => format!("n{value}"),
            Self::Text(text) => text.bytes().fold("t".to_owned(), |out, b| format!("{out}{b:02x}")),
        }
    }

    fn read(text: &str) -> Option<Self> {
        let rest = text.get(1..)?;
        match text.get(..1)? {
            "m" => rest.parse().ok().map(Self::Moment),
            "n" => Decimal::from_str_exact(rest).ok().map(Self::Number),
            "t" if rest.len().is_multiple_of(2) && rest.len() <= LETTERS_MAX * 8 => {
                let pairs = rest.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
                let bytes = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok());
                String::from_utf8(bytes.collect::<Option<_>>()?).ok().map(Self::Text)
            }
            _ => None,
        }
    }
}

/// Ranks as a part of a page's token; empty for none.
pub(super) fn write(ranks: &Ranks) -> String {
    let one = |rank: &Option<Rank>| rank.as_ref().map_or_else(|| "-".to_owned(), Rank::write);
    ranks.iter().map(one).collect::<Vec<_>>().join("~")
}

/// Reads what [`write()`] wrote.
pub(super) fn read(text: &str) -> Option<Ranks> {
    let one = |part| if part == "-" { Some(None) } else { Rank::read(part).map(Some) };
    text.split('~').map(one).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_read_as_they_were_written() {
        let all: Ranks = vec![
            Some(Rank::Moment(-5)),
            None,
            Some(Rank::Number(Decimal::new(-150, 2))),
            Some(Rank::Text("m\u{fc}ller~-".into())),
            Some(Rank::Text(String::new())),
        ];
        assert!(read(&write(&all)) == Some(all));
        for bad in ["", "x", "t1", "tzz", "tff", "m", "mx", "n", "-~"] {
            assert!(read(bad).is_none(), "{bad}");
        }
    }
}
