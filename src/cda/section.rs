//! Sections of a document.

use std::borrow::Cow;

use super::Element;

/// Deepest nesting of sections that is followed: C-CDA has two levels.
const LEVELS_MAX: usize = 16;

/// A coded value: the attributes of a CD or CE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code<'d> {
    /// `code`, such as `48765-2`.
    pub code: Cow<'d, str>,
    /// `codeSystem`, an OID such as `2.16.840.1.113883.6.1`.
    pub system: Cow<'d, str>,
    /// `displayName`.
    pub display: Cow<'d, str>,
}

/// A section of the body of a document.
#[derive(Clone, Copy, Debug)]
pub struct Section<'d> {
    element: Element<'d>,
    level: usize,
}

impl<'d> Section<'d> {
    /// Its element.
    #[must_use]
    pub const fn element(&self) -> Element<'d> {
        self.element
    }

    /// How many sections stand around it.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// What kind of section it is.
    #[must_use]
    pub fn code(&self) -> Option<Code<'d>> {
        let code = self.element.child("code")?;
        let part = |name: &str| code.attribute(name).unwrap_or_default();
        Some(Code { code: part("code"), system: part("codeSystem"), display: part("displayName") })
    }

    /// Its heading; empty without one.
    #[must_use]
    pub fn title(&self) -> String {
        self.element.child("title").map(|title| title.text()).unwrap_or_default()
    }

    /// Roots of the templates it says it follows, with their extension where they have one.
    pub fn templates(
        &self,
    ) -> impl Iterator<Item = (Cow<'d, str>, Option<Cow<'d, str>>)> + use<'d> {
        let ids = self.element.children().filter(|child| child.name() == "templateId");
        ids.filter_map(|id| Some((id.attribute("root")?, id.attribute("extension"))))
    }

    /// Whether it follows a template, of any extension.
    #[must_use]
    pub fn follows(&self, root: &str) -> bool {
        self.templates().any(|(known, _)| known == root)
    }

    /// What people read.
    #[must_use]
    pub fn narrative(&self) -> Option<Element<'d>> {
        self.element.child("text")
    }

    /// What machines read: the statement of each `entry`, such as an `observation`.
    pub fn entries(&self) -> impl Iterator<Item = Element<'d>> + use<'d> {
        const AROUND: [&str; 3] = ["realmCode", "typeId", "templateId"];
        let entries = self.element.children().filter(|child| child.name() == "entry");
        entries.filter_map(|entry| entry.children().find(|child| !AROUND.contains(&child.name())))
    }
}

/// All sections of a document.
pub(super) fn all(root: Element<'_>) -> impl Iterator<Item = Section<'_>> {
    let body = root
        .children()
        .filter(|child| child.name() == "component")
        .filter_map(|component| component.child("structuredBody"));
    let mut open: Vec<Section<'_>> = body.flat_map(|body| below(body, 0)).collect();
    open.reverse();
    std::iter::from_fn(move || {
        let section = open.pop()?;
        if section.level < LEVELS_MAX {
            let inner: Vec<_> = below(section.element, section.level + 1).collect();
            open.extend(inner.into_iter().rev());
        }
        Some(section)
    })
}

fn below(around: Element<'_>, level: usize) -> impl Iterator<Item = Section<'_>> {
    let components = around.children().filter(|child| child.name() == "component");
    let sections = components.filter_map(|component| component.child("section"));
    sections.map(move |element| Section { element, level })
}
