//! Reads `elements.txt` into lists of elements with an index of their JSON names.

use std::collections::HashMap;

use super::{Element, Primitive, VALUE_SET};

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Resource,
    Complex,
    Primitive,
    Abstract,
}

/// A type and what it is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Type {
    pub kind: Kind,
    /// Name of its base; empty for the outermost.
    pub base: &'static str,
}

/// Types and their elements.
pub(super) struct Tables {
    pub types: HashMap<&'static str, Type>,
    pub containers: Vec<Container>,
    by_path: HashMap<&'static str, u32>,
}

/// A type or nested element: what may stand in it.
pub(in crate::fhir) struct Container {
    /// Name of the type, or path of the nested element.
    pub path: &'static str,
    /// Its place among all.
    pub number: u32,
    /// Children in the order of the specification.
    pub elements: &'static [Element],
    /// JSON names, one for each type of a choice, sorted.
    entries: Vec<Entry>,
}

/// One JSON name.
pub(in crate::fhir) struct Entry {
    name: &'static str,
    /// The element behind it.
    pub element: &'static Element,
    /// Place of the element among its siblings.
    pub index: u16,
    /// Type of the value under this name.
    pub ty: &'static str,
    /// What the value is made of.
    pub inside: Inside,
}

/// What a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fhir) enum Inside {
    /// A primitive.
    Primitive(Primitive),
    /// Members of a container, by its number.
    Container(u32),
    /// A whole resource.
    Resource,
}

impl Container {
    /// Finds a member by its JSON name.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.find_numbered(name).map(|(_, entry)| entry)
    }

    /// Finds a member by its JSON name, with the number of the name.
    pub fn find_numbered(&self, name: &str) -> Option<(usize, &Entry)> {
        let at = self.entries.binary_search_by(|entry| entry.name.cmp(name)).ok()?;
        self.entries.get(at).map(|entry| (at, entry))
    }

    /// The JSON names with what stands behind them.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.entries.iter().map(|entry| entry.name)
    }
}

/// A line of the table.
#[derive(Clone)]
struct Row {
    level: usize,
    name: &'static str,
    element: Element,
}

struct TypeRows {
    base: &'static str,
    rows: Vec<Row>,
}

impl Tables {
    /// Reads the table that is part of the program.
    pub fn load() -> Self {
        let mut loader = Loader::default();
        loader.read(include_str!("elements.txt"));
        loader.build();
        loader.tables()
    }

    pub fn container(&self, path: &str) -> Option<&Container> {
        self.containers.get(*self.by_path.get(path)? as usize)
    }
}

#[derive(Default)]
struct Loader {
    types: HashMap<&'static str, Type>,
    order: Vec<&'static str>,
    rows: HashMap<&'static str, TypeRows>,
    lists: HashMap<&'static str, &'static [&'static str]>,
    containers: Vec<(&'static str, &'static [Element])>,
}

impl Loader {
    fn read(&mut self, text: &'static str) {
        let mut current = "";
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(head) = line.strip_prefix("@ ") {
                let mut words = head.split(' ');
                let (name, kind) = (words.next().unwrap_or(""), words.next());
                let kind = match kind {
                    Some("resource") => Kind::Resource,
                    Some("primitive") => Kind::Primitive,
                    Some("abstract") => Kind::Abstract,
                    _ => Kind::Complex,
                };
                current = name;
                let base = words.next().unwrap_or("");
                self.types.insert(name, Type { kind, base });
                self.order.push(name);
                self.rows.insert(name, TypeRows { base, rows: Vec::new() });
            } else if let Some(row) = self.row(line)
                && let Some(rows) = self.rows.get_mut(current)
            {
                rows.rows.push(row);
            }
        }
    }

    /// Reads ` name min..max types marks`; none for elements that may not occur.
    fn row(&mut self, line: &'static str) -> Option<Row> {
        let rest = line.trim_start_matches(' ');
        let level = line.len() - rest.len();
        let mut words = rest.split(' ');
        let name = words.next()?;
        let (min, max) = words.next()?.split_once("..")?;
        if max == "0" {
            return None;
        }
        let types = words.next().filter(|types| *types != "-");
        let mut element = Element {
            path: "",
            min: min.parse().unwrap_or(0),
            max: max.parse().unwrap_or(0),
            types: types.map_or(&[], |types| self.list(types)),
            targets: &[],
            required_binding: None,
            extensible_binding: None,
            is_simple: false,
            content_ref: None,
        };
        for mark in words {
            match mark.split_at_checked(1) {
                Some((">", targets)) => element.targets = self.list(targets),
                Some(("!", set)) => element.required_binding = Some(set_url(set)),
                Some(("?", set)) => element.extensible_binding = Some(set_url(set)),
                Some(("~", profile)) => element.is_simple = profile == "SimpleQuantity",
                Some(("#", path)) => element.content_ref = Some(path),
                _ => {}
            }
        }
        Some(Row { level, name, element })
    }

    fn list(&mut self, text: &'static str) -> &'static [&'static str] {
        let make = || text.split(',').collect::<Vec<_>>().leak();
        self.lists.entry(text).or_insert_with(|| &*make())
    }

    fn build(&mut self) {
        for name in self.order.clone() {
            let rows = self.rows.get(name).map(|rows| rows.rows.clone()).unwrap_or_default();
            let base = self.rows.get(name).map_or("", |rows| rows.base);
            self.container(name, base, &rows);
        }
    }

    /// Rows of the first level of a type, those of its base first.
    fn inherited(&self, name: &str) -> Vec<Row> {
        let Some(rows) = self.rows.get(name) else { return Vec::new() };
        let mut all = self.inherited(rows.base);
        overlay(&mut all, rows.rows.iter().filter(|row| row.level == 1));
        all
    }

    /// Adds a container and those nested in it; `rows` are its own, deeper ones included.
    fn container(&mut self, path: &'static str, base: &str, rows: &[Row]) {
        let Some(level) = rows.iter().map(|row| row.level).min() else {
            let elements = own(path, self.inherited(base));
            self.containers.push((path, elements));
            return;
        };
        let mut all = self.inherited(base);
        overlay(&mut all, rows.iter().filter(|row| row.level == level));
        let elements = own(path, all);
        self.containers.push((path, elements));
        let mut rest = rows;
        while let Some((row, after)) = rest.split_first() {
            let end = after.iter().position(|r| r.level <= row.level).unwrap_or(after.len());
            let (nested, next) = after.split_at(end);
            rest = next;
            let [base @ ("BackboneElement" | "Element")] = row.element.types else { continue };
            let inner = elements.iter().find(|e| e.path.ends_with(row.name) && tail(e) == row.name);
            if let Some(inner) = inner {
                self.container(inner.path, base, nested);
            }
        }
    }

    fn tables(self) -> Tables {
        let numbered = (0..).zip(&self.containers);
        let by_path: HashMap<_, u32> = numbered.map(|(n, (path, _))| (*path, n)).collect();
        let containers = (0..)
            .zip(&self.containers)
            .map(|(number, (path, elements))| Container {
                path,
                number,
                elements,
                entries: entries(elements, &by_path),
            })
            .collect();
        Tables { types: self.types, containers, by_path }
    }
}

/// Puts rows in the place of those of the same name, others at the end.
fn overlay<'r>(all: &mut Vec<Row>, rows: impl Iterator<Item = &'r Row>) {
    for row in rows {
        match all.iter_mut().find(|known| known.name == row.name) {
            Some(known) => *known = row.clone(),
            None => all.push(row.clone()),
        }
    }
}

/// Gives rows the path of their container.
fn own(path: &str, rows: Vec<Row>) -> &'static [Element] {
    let element = |row: Row| Element { path: format!("{path}.{}", row.name).leak(), ..row.element };
    rows.into_iter().map(element).collect::<Vec<_>>().leak()
}

fn tail(element: &Element) -> &'static str {
    element.path.rsplit_once('.').map_or(element.path, |(_, name)| name)
}

fn set_url(set: &'static str) -> &'static str {
    if set.contains("://") { set } else { format!("{VALUE_SET}{set}").leak() }
}

fn entries(elements: &'static [Element], by_path: &HashMap<&'static str, u32>) -> Vec<Entry> {
    let mut all = Vec::with_capacity(elements.len());
    for (index, element) in (0..).zip(elements) {
        let shared: &[&str] =
            if element.content_ref.is_some() { &["BackboneElement"] } else { &[] };
        for ty in element.types.iter().chain(shared) {
            let name = element.member(ty);
            let inside = match Primitive::of(ty) {
                Some(primitive) => Inside::Primitive(primitive),
                None if *ty == "Resource" => Inside::Resource,
                None => {
                    Inside::Container(by_path.get(element.inside(ty)).copied().unwrap_or(u32::MAX))
                }
            };
            all.push(Entry { name: name.leak(), element, index, ty, inside });
        }
    }
    all.sort_unstable_by_key(|entry| entry.name);
    all
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::*;

    #[test]
    fn every_name_leads_somewhere() {
        let tables = tables();
        for container in &tables.containers {
            for entry in &container.entries {
                if let Inside::Container(number) = entry.inside {
                    assert!(
                        (number as usize) < tables.containers.len(),
                        "{} {}",
                        entry.element.path,
                        entry.ty
                    );
                }
                for target in entry.element.targets {
                    assert!(tables.types.contains_key(target), "{target}");
                }
            }
            assert!(container.entries.is_sorted_by(|a, b| a.name < b.name));
            assert!(container.entries.len() <= super::super::NAMES_MAX, "{}", container.path);
        }
    }
}
