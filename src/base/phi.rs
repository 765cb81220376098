//! The mask over patient data.

use std::fmt;

/// Content that may name or describe a patient.
///
/// It has no `Display`, and its `Debug` prints `<phi>`, so it cannot slip into a log, an
/// error or a panic. [`Phi::reveal`] is the one way in, easy to find by search.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phi<T>(T);

impl<T> Phi<T> {
    /// Puts the mask on.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Looks behind the mask.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Takes the mask off.
    pub fn into_revealed(self) -> T {
        self.0
    }

    /// Changes what is behind the mask, keeping it on.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Phi<U> {
        Phi(f(self.0))
    }
}

impl<T> fmt::Debug for Phi<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<phi>")
    }
}

impl<T> From<T> for Phi<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_the_mask() {
        assert_eq!(format!("{:?}", Phi::new("Doe^Jo")), "<phi>");
        assert_eq!(format!("{:?}", Some(Phi::new(vec![1, 2]))), "Some(<phi>)");
    }
}
