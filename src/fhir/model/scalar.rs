//! Values of primitive types.

use crate::fhir::typed::{Coded, Date, DateTime, Decimal, Instant, Time};
use crate::fhir::{Builder, Node};

use super::record::Scalar;

/// An enum of the codes that a required binding lists.
pub trait Code: Copy + PartialEq + 'static {
    /// Codes with their values, in the order of the value set.
    const ALL: &'static [(&'static str, Self)];

    /// The value of a code.
    #[must_use]
    fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == code).map(|(_, value)| *value)
    }

    /// Its code.
    #[must_use]
    fn code(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(code, _)| code)
    }
}

impl Scalar for String {
    fn take(node: Node<'_>) -> Option<Self> {
        node.string().map(std::borrow::Cow::into_owned)
    }

    fn put(&self, out: &mut Builder) {
        out.string(self);
    }
}

impl Scalar for bool {
    fn take(node: Node<'_>) -> Option<Self> {
        node.bool()
    }

    fn put(&self, out: &mut Builder) {
        out.bool(*self);
    }
}

impl Scalar for Decimal {
    fn take(node: Node<'_>) -> Option<Self> {
        Self::new(node.number()?)
    }

    fn put(&self, out: &mut Builder) {
        out.number(self.as_str());
    }
}

impl<E: Code> Scalar for Coded<E> {
    fn take(node: Node<'_>) -> Option<Self> {
        let code = node.string()?;
        Some(E::of(&code).map_or_else(|| Self::Other(code.into_owned()), Self::Known))
    }

    fn put(&self, out: &mut Builder) {
        out.string(match self {
            Self::Known(code) => code.code(),
            Self::Other(code) => code,
        });
    }
}

macro_rules! scalars {
    (whole: $($whole:ty)*; moments: $($moment:ty)*) => {
        $(impl Scalar for $whole {
            fn take(node: Node<'_>) -> Option<Self> {
                // `1.0` and `1e0` would come back as other texts.
                let text = node.number()?;
                text.parse().ok().filter(|_| text != "-0")
            }

            fn put(&self, out: &mut Builder) {
                out.number(&self.to_string());
            }
        })*
        $(impl Scalar for $moment {
            fn take(node: Node<'_>) -> Option<Self> {
                Self::new(&node.string()?)
            }

            fn put(&self, out: &mut Builder) {
                out.string(self.as_str());
            }
        })*
    };
}

scalars! {
    whole: i32 u32;
    moments: Date DateTime Instant Time
}
