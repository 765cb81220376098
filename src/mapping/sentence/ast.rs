//! The tree of a sentence.

use std::ops::Range;

/// Byte range in the sentence, from 0, end exclusive.
pub(crate) type Span = Range<usize>;

/// `value = alt { "else" alt }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sentence {
    pub alternatives: Vec<Alternative>,
}

/// One alternative of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub quantity: Option<Quantity>,
    pub source: Source,
    pub cast: Option<Cast>,
    pub via: Option<Via>,
    pub with: Vec<With>,
    pub condition: Option<Guard>,
    pub span: Span,
}

/// How many of what repeats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Each,
    All,
    First,
    Last,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Path(Path),
    Literal(String),
    /// `code SYSTEM#CODE`.
    Code {
        system: String,
        code: String,
        span: Span,
    },
    /// `ref RULE`.
    Ref {
        rule: String,
        span: Span,
    },
    Position,
    /// `join('sep', a, b, ..)`.
    Join {
        separator: String,
        parts: Vec<Part>,
    },
    /// `split(path, 'sep', n)`, n from 1.
    Split {
        path: Path,
        separator: String,
        nth: u32,
    },
    /// `a .. b`.
    Period(Path, Path),
    /// `base`: the line an override replaces.
    Base,
}

/// A part of a join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Path(Path),
    Literal(String),
}

/// `as TYPE` or `as OBX-2`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    Type { name: String, span: Span },
    Path(Path),
}

/// `via CODES [reversed]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Via {
    pub codes: String,
    pub reversed: bool,
    pub span: Span,
}

/// `with member = value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct With {
    pub member: String,
    pub member_span: Span,
    pub source: Source,
    pub via: Option<Via>,
    pub span: Span,
}

/// `when cond` looks at the rule's scope once, `where cond` at each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    When(Condition<Path>),
    Where(Condition<Path>),
}

/// The form of what paths lead through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Hl7,
    Cda,
}

/// A path into a message or document as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// A path through a document: all else is empty then.
    pub tree: Option<Box<crate::cda::Path>>,
    /// Missing in paths relative to a repetition or segment: `5`, `4.1` inside brackets.
    pub segment: Option<SegmentPath>,
    /// Field number from 1; 0 where the path names a segment or is relative.
    pub field: u16,
    pub repetition: Repetition<Path>,
    /// Component and subcomponent, from 1; in relative paths whatever numbers were written.
    pub parts: Vec<u16>,
    pub span: Span,
}

/// The segment of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentPath {
    pub id: String,
    pub pick: Repetition<Path>,
    pub group: Option<(String, Span)>,
}

/// Which of what repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Repetition<P> {
    /// Not said.
    Open,
    /// `[2]`, from 1.
    Nth(u32),
    /// `[5 = 'MR']`.
    Filter(Box<Condition<P>>),
}

/// A condition over paths of type `P`: as written, or resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition<P> {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    /// `a = 'x'`; `!=` is its negation.
    Equal(P, Operand<P>),
    In(P, Vec<String>),
    Valued(P),
    Starts(P, String),
    /// `count(path) > 1`, `length(path) > 8`.
    Number(Measure, P, Order, u64),
    /// `position = 1`.
    Position(Order, u64),
}

/// The right side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand<P> {
    Text(String),
    Path(P),
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Values at the path.
    Count,
    /// Characters of the first value.
    Length,
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Order {
    pub(crate) fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }
}

impl<P> Condition<P> {
    /// The same condition with every path turned by `turn`.
    pub(crate) fn map<Q>(&self, turn: &mut impl FnMut(&P) -> Option<Q>) -> Option<Condition<Q>> {
        // A dyn inside keeps recursion from making ever new closure types.
        fn go<P, Q>(
            it: &Condition<P>,
            turn: &mut dyn FnMut(&P) -> Option<Q>,
        ) -> Option<Condition<Q>> {
            let all = |list: &[Condition<P>], turn: &mut dyn FnMut(&P) -> Option<Q>| {
                // Every part is turned, so that each wrong path is reported.
                let turned: Vec<_> = list.iter().map(|c| go(c, turn)).collect();
                turned.into_iter().collect::<Option<Vec<_>>>()
            };
            Some(match it {
                Condition::Any(list) => Condition::Any(all(list, turn)?),
                Condition::All(list) => Condition::All(all(list, turn)?),
                Condition::Not(inner) => Condition::Not(Box::new(go(inner, turn)?)),
                Condition::Equal(path, operand) => {
                    let left = turn(path);
                    let right = match operand {
                        Operand::Text(text) => Some(Operand::Text(text.clone())),
                        Operand::Path(path) => turn(path).map(Operand::Path),
                    };
                    Condition::Equal(left?, right?)
                }
                Condition::In(path, list) => Condition::In(turn(path)?, list.clone()),
                Condition::Valued(path) => Condition::Valued(turn(path)?),
                Condition::Starts(path, text) => Condition::Starts(turn(path)?, text.clone()),
                Condition::Number(measure, path, order, number) => {
                    Condition::Number(*measure, turn(path)?, *order, *number)
                }
                Condition::Position(order, number) => Condition::Position(*order, *number),
            })
        }
        go(self, turn)
    }
}
