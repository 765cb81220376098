//! A message as people look at it: groups, segments and their valued parts, each with its
//! path, its name in the version, its data type, its place in the bytes and its meaning.
//!
//! [`walk`] tells them one after the other and keeps none, so that a message of a million
//! parts takes no more memory than one of ten; [`text()`], [`json()`] and [`html()`] write them
//! down. Values are patient data: nothing here is `Debug`, and writers leave values out
//! unless [`Look::values`] says otherwise.

mod html;
mod json;
mod text;

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;

use crate::hl7v2::structure::NodeRef;
use crate::hl7v2::tables::{self, ComponentDef, FieldDef, Site, Version};
use crate::hl7v2::{Message, Segment, Value};

pub use html::html;
pub use json::json;
pub use text::text;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look<'s> {
    /// The site whose names of segments, fields and codes count besides the standard's.
    pub site: &'s Site,
    /// Values as they are; a mask of fixed width otherwise.
    pub values: bool,
    /// The bytes of each segment before its parts.
    pub raw: bool,
    /// Byte ranges.
    pub offsets: bool,
    /// Colors of a terminal.
    pub color: bool,
}

/// Stands for a value that is not shown: its width tells nothing.
pub const MASK: &str = "****";

/// Something that [`walk`] meets, in the order of the message.
pub enum Item<'a> {
    /// A group begins.
    Group {
        /// How many groups stand around it.
        depth: usize,
        /// Its name, numbered where it repeats: `ORDER_OBSERVATION[2]`.
        label: &'a str,
    },
    /// A segment begins.
    Segment {
        /// How many groups stand around it.
        depth: usize,
        /// `PID`, numbered where it repeats: `OBX[3]`; empty for a line without a name.
        label: &'a str,
        /// Its name in the version.
        name: &'a str,
        /// The segment.
        segment: Segment<'a>,
    },
    /// A valued part that has no valued parts below.
    Leaf(&'a Leaf<'a>),
}

/// A valued part.
pub struct Leaf<'a> {
    /// How many groups stand around its segment.
    pub depth: usize,
    /// Path, such as `PID-3[2].4.1`.
    pub path: &'a str,
    /// Its name, with those it stands in: `Patient Identifier List, ID Number`.
    pub name: &'a str,
    /// Data type; empty where not known.
    pub datatype: &'a str,
    /// Where it stands in the bytes, end exclusive.
    pub range: std::ops::Range<usize>,
    /// Its text, decoded. Patient data.
    pub text: Cow<'a, str>,
    /// Whether the sender says that there is no value: `""`.
    pub is_null: bool,
    /// What its code means by its table.
    pub meaning: Option<&'a str>,
}

/// What is known of a message as a whole.
pub struct Summary {
    /// MSH-9 as it stands, such as `ADT^A08^ADT_A01`.
    pub message_type: String,
    /// MSH-12.
    pub version: String,
    /// The version whose tables are used.
    pub tables: &'static str,
    /// The structure it was read by.
    pub structure: Option<String>,
    /// Name of the declared character set; empty where none is.
    pub charset: &'static str,
    /// Number of segments.
    pub segments: usize,
    /// Number of bytes.
    pub bytes: usize,
    /// What was read past, and how it deviates from its structure: name, place, phrase.
    pub notes: Vec<Note>,
}

/// Something odd about a message.
pub struct Note {
    /// Name of the deviation, or a code.
    pub name: String,
    /// Path of where it is.
    pub place: String,
    /// What it is.
    pub phrase: String,
}

/// Looks at a message as a whole.
#[must_use]
pub fn summary(message: &Message) -> Summary {
    let header = message.header();
    let (version, exact) = tables::version(&header.version());
    let mut notes: Vec<Note> = message
        .tolerances()
        .iter()
        .map(|kind| Note {
            name: kind.name().to_owned(),
            place: message.place_of(kind),
            phrase: kind.phrase().to_owned(),
        })
        .collect();
    if !exact {
        let phrase = format!("read by the tables of {}", version.name);
        notes.push(Note { name: "version".to_owned(), place: "MSH-12".to_owned(), phrase });
    }
    let structure = message.tree();
    notes.extend(structure.deviations().iter().map(|deviation| {
        let fault = deviation.to_fault();
        Note {
            name: fault.code().to_string(),
            place: fault.place().path.as_deref().unwrap_or_default().to_owned(),
            phrase: fault.cause().unwrap_or_default().to_owned(),
        }
    }));
    let declared = [message.check_charset().err()];
    notes.extend(declared.into_iter().flatten().map(|fault| Note {
        name: fault.code().to_string(),
        place: fault.place().path.as_deref().unwrap_or_default().to_owned(),
        phrase: fault.code().row().phrase.to_owned(),
    }));
    Summary {
        message_type: header.field(9).text().into_owned(),
        version: header.version().into_owned(),
        tables: version.name,
        structure: structure.structure().map(str::to_owned),
        charset: message.charset().name(),
        segments: message.segment_count(),
        bytes: message.bytes().len(),
        notes,
    }
}

/// Tells the groups, segments and valued parts of a message in order, by the names of its
/// version and of a site.
///
/// # Errors
/// What `each` fails with; nothing more is told then.
pub fn walk(
    message: &Message,
    site: &Site,
    each: &mut dyn FnMut(&Item<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let (version, _) = tables::version(&message.header().version());
    let totals = counts(message);
    let mut seen = HashMap::<&str, usize>::new();
    let root = message.tree().root();
    // Depth first without recursion: each level keeps its children still to come.
    let mut levels = vec![Level::of(root)];
    while let Some(level) = levels.last_mut() {
        let Some(node) = level.nodes.pop() else {
            levels.pop();
            continue;
        };
        let label = node.is_group().then(|| level.label(node.name()));
        let depth = levels.len() - 1;
        if let Some(label) = label {
            each(&Item::Group { depth, label: &label })?;
            levels.push(Level::of(node));
            continue;
        }
        let Some(segment) = node.segment().and_then(|index| message.segment(index)) else {
            continue;
        };
        let count = seen.entry(segment.id()).or_default();
        *count += 1;
        let repeats = totals.get(segment.id()).is_some_and(|total| *total > 1);
        let label = match repeats {
            true => format!("{}[{count}]", segment.id()),
            false => segment.id().to_owned(),
        };
        one_segment((version, site), segment, (&label, depth), each)?;
    }
    Ok(())
}

fn counts(message: &Message) -> HashMap<&str, usize> {
    let mut totals = HashMap::new();
    for segment in message.segments() {
        *totals.entry(segment.id()).or_default() += 1;
    }
    totals
}

/// The children of one group that are still to come.
struct Level<'t> {
    /// The last comes first.
    nodes: Vec<NodeRef<'t>>,
    /// Of each group by name: how many there are, and how many were told.
    groups: HashMap<&'t str, (usize, usize)>,
}

impl<'t> Level<'t> {
    fn of(group: NodeRef<'t>) -> Self {
        let mut nodes: Vec<NodeRef<'t>> = group.children().collect();
        let mut groups = HashMap::new();
        for node in nodes.iter().filter(|node| node.is_group()) {
            groups.entry(node.name()).or_insert((0, 0)).0 += 1;
        }
        nodes.reverse();
        Self { nodes, groups }
    }

    /// Name of the next group of a name, numbered where there are others.
    fn label(&mut self, name: &'t str) -> String {
        let (total, told) = self.groups.entry(name).or_default();
        *told += 1;
        if *total > 1 { format!("{name}[{told}]") } else { name.to_owned() }
    }
}

/// What is known of a part by the tables.
#[derive(Clone, Copy)]
struct Known {
    datatype: &'static str,
    table: &'static str,
}

fn one_segment(
    (version, site): (&'static Version, &Site),
    segment: Segment<'_>,
    (label, depth): (&str, usize),
    each: &mut dyn FnMut(&Item<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let def = site.segment(version, segment.id());
    let name = match (def, segment.id()) {
        (Some(def), _) => def.name,
        (None, "") => "no segment name",
        (None, _) => "site segment",
    };
    each(&Item::Segment { depth, label, name, segment })?;
    let header = matches!(segment.id(), "MSH" | "FHS" | "BHS");
    let (path, name) = (label.to_owned(), String::new());
    let mut teller = Teller { version, site, depth, path, name, each };
    for (at, field) in segment.fields().enumerate().filter(|(_, field)| !field.is_empty()) {
        let number = at + 1;
        let field_def = def.and_then(|def| def.field(number));
        let known = known(version, field_def, &segment, number);
        let unknown = if def.is_some() { "not in this version" } else { "" };
        let name = field_def.map_or(unknown, |def| def.name);
        teller.level(format_args!("-{number}"), Some(name), |teller| {
            if header && number <= 2 {
                let text = String::from_utf8_lossy(field.raw());
                return teller.leaf(&field, known, text);
            }
            let several = field.repetitions().nth(1).is_some();
            for (at, repetition) in field.repetitions().enumerate() {
                if repetition.is_empty() {
                    continue;
                }
                match several {
                    true => teller.level(format_args!("[{}]", at + 1), None, |teller| {
                        teller.components(repetition, known)
                    })?,
                    false => teller.components(repetition, known)?,
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Data type and table of a field; where another field tells the type, that one's word.
fn known(version: &Version, def: Option<&FieldDef>, segment: &Segment<'_>, number: usize) -> Known {
    let Some(def) = def else { return Known { datatype: "", table: "" } };
    if def.datatype.eq_ignore_ascii_case("varies") && segment.id() == "OBX" && number == 5 {
        let told = segment.field(2).map(|value| value.text().trim().to_owned());
        let datatype = told.and_then(|id| version.datatype_id(&id)).unwrap_or(def.datatype);
        return Known { datatype, table: def.table };
    }
    Known { datatype: def.datatype, table: def.table }
}

/// Builds path and name on the way down and tells the leaves.
struct Teller<'e> {
    version: &'static Version,
    site: &'e Site,
    depth: usize,
    path: String,
    name: String,
    each: &'e mut dyn FnMut(&Item<'_>) -> io::Result<()>,
}

impl Teller<'_> {
    /// Goes one step down and comes back.
    fn level(
        &mut self,
        step: std::fmt::Arguments<'_>,
        name: Option<&str>,
        below: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        use std::fmt::Write as _;
        let (path, named) = (self.path.len(), self.name.len());
        let _ = self.path.write_fmt(step);
        if let Some(name) = name {
            if named > 0 {
                self.name.push_str(", ");
            }
            self.name.push_str(name);
        }
        let done = below(self);
        self.path.truncate(path);
        self.name.truncate(named);
        done
    }

    fn components(&mut self, repetition: Value<'_>, known: Known) -> io::Result<()> {
        let defs = self.version.datatype(known.datatype).map(|def| def.components.as_slice());
        let several = repetition.components().nth(1).is_some();
        for (at, component) in repetition.components().enumerate().filter(|(_, c)| !c.is_empty()) {
            let def = defs.and_then(|defs| defs.get(at)).copied();
            let below = |teller: &mut Self| teller.subcomponents(component, known, def);
            match several || def.is_some() {
                true => self.level(format_args!(".{}", at + 1), def.map(|d| d.name), below)?,
                false => below(self)?,
            }
        }
        Ok(())
    }

    fn subcomponents(
        &mut self,
        component: Value<'_>,
        of: Known,
        def: Option<&'static ComponentDef>,
    ) -> io::Result<()> {
        let known = def.map_or(of, |d| Known { datatype: d.datatype, table: d.table });
        if component.subcomponents().nth(1).is_none() {
            return self.leaf(&component, known, component.text());
        }
        let defs = self.version.datatype(known.datatype).map(|def| def.components.as_slice());
        for (at, sub) in component.subcomponents().enumerate().filter(|(_, sub)| !sub.is_empty()) {
            let def = defs.and_then(|defs| defs.get(at)).copied();
            let known = def.map_or(known, |d| Known { datatype: d.datatype, table: d.table });
            self.level(format_args!(".{}", at + 1), def.map(|d| d.name), |teller| {
                teller.leaf(&sub, known, sub.text())
            })?;
        }
        Ok(())
    }

    fn leaf(&mut self, value: &Value<'_>, known: Known, text: Cow<'_, str>) -> io::Result<()> {
        let meaning = match known.table {
            "" => None,
            table => self.site.code(table, text.trim()),
        };
        let leaf = Leaf {
            depth: self.depth,
            path: &self.path,
            name: &self.name,
            datatype: known.datatype,
            range: value.range(),
            is_null: value.is_null(),
            meaning,
            text,
        };
        (self.each)(&Item::Leaf(&leaf))
    }
}

/// Text with everything that could act on a terminal or break a line made visible.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() || is_direction(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| match u32::from(c) {
                n @ 0..=0x1f => char::from_u32(0x2400 + n).unwrap_or('\u{fffd}'),
                0x7f => '\u{2421}',
                0x80..=0x9f => '\u{fffd}',
                _ if is_direction(c) => '\u{fffd}',
                _ => c,
            })
            .collect(),
    )
}

/// Marks that turn the direction of what follows, and so can make a line look like another.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests;
