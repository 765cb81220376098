//! The groups of a message: its segments laid into the tree of its structure.
//!
//! Real messages deviate from their structure; so segments are placed by tolerant rules,
//! each segment is placed exactly once, and what deviates is listed. Time is linear in
//! the number of segments. Without a known structure all segments stand under the root.

use std::sync::Arc;

use super::message::Message;
use super::path::{Path, Pick};
use super::scan::SegmentId;
use super::tables::{self, NodeKind, StructureDef};
use crate::fault::codes::{W2100, W2101, W2108, W2109, W2110};
use crate::fault::{Fault, Place};

/// Most deviations that are listed; further ones are counted. A message of a million
/// misplaced segments must not make a list of a million.
pub const DEVIATIONS_MAX: usize = 100;

/// How many children of a group are looked at for where a misplaced segment belongs.
const RECENT_MAX: usize = 64;

/// Marks a node that is a group, not a segment.
const GROUP: u32 = u32::MAX;

/// Stands for no node.
const NONE: u32 = u32::MAX;

/// The tree of groups and segments of one message.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    /// Node of each segment of the message.
    places: Vec<u32>,
    structure: Option<Arc<str>>,
    deviations: Vec<Deviation>,
    deviation_count: usize,
}

#[derive(Clone, Debug)]
struct Node {
    /// Group name; segments have theirs in `id`.
    name: &'static str,
    id: SegmentId,
    /// Place of the segment in the message, or `GROUP`.
    segment: u32,
    /// Place in the definition, for groups.
    def: u16,
    parent: u32,
    /// Children and siblings, `NONE` where there is none: linked, so that a group costs no
    /// allocation of its own.
    first: u32,
    last: u32,
    next: u32,
    before: u32,
}

/// A group or a segment of a tree: a view, cheap to copy.
#[derive(Clone, Copy)]
pub struct NodeRef<'t> {
    tree: &'t Tree,
    at: u32,
}

/// How a message deviates from its structure at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What is wrong.
    pub kind: DeviationKind,
    /// ID of the segment, or name of the group where a whole one is missing.
    pub name: String,
    /// Which segment of that name, from 1; 0 where it is missing.
    pub occurrence: usize,
    /// Place of the segment in the message, from 0; none where it is missing.
    pub segment: Option<usize>,
    /// Name of the group it stands in or is missing in; empty for the message itself.
    pub group: &'static str,
}

/// Kinds of deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviationKind {
    /// The structure has no such segment.
    Unexpected,
    /// The segment stands after others that it should stand before.
    OutOfOrder,
    /// The segment stands more often than the structure allows.
    TooMany,
    /// A required segment or group is not there.
    Missing,
}

impl Deviation {
    /// The deviation as a fault: `W2100` for order, `W2101` for a missing segment, `W2108`
    /// for an unexpected one, `W2109` for one too many, `W2110` for a missing group.
    #[must_use]
    pub fn to_fault(&self) -> Fault {
        let group = if self.group.is_empty() { "the message" } else { self.group };
        let (code, cause) = match self.kind {
            DeviationKind::Unexpected => (W2108, "the structure has no such segment".to_owned()),
            DeviationKind::OutOfOrder => (W2100, format!("it should stand earlier in {group}")),
            DeviationKind::TooMany => (W2109, format!("it stands too often in {group}")),
            DeviationKind::Missing => {
                let code = if self.name.len() == 3 { W2101 } else { W2110 };
                (code, format!("{group} needs it"))
            }
        };
        let place = match self.occurrence {
            0 | 1 => self.name.clone(),
            n => format!("{}[{n}]", self.name),
        };
        Fault::new(code).at(Place::path(place)).because(cause)
    }
}

impl Tree {
    /// Lays the segments of a message into the structure that MSH-9 names.
    #[must_use]
    pub fn read(message: &Message) -> Self {
        let header = message.header();
        let (version, _) = tables::version(&header.version());
        let (code, event) = (header.message_code(), header.trigger_event());
        let named = header.structure();
        let known = |id: &str| version.structure(id).map(|def| (Arc::from(id), def));
        let found = known(&named)
            .or_else(|| known(version.event(&code, &event)?))
            .or_else(|| known(&format!("{code}_{event}")))
            .or_else(|| known(&code));
        let mut builder =
            Builder::new(found.as_ref().map(|(_, def)| *def), message.segment_count());
        for index in 0..message.segment_count() {
            builder.place(index, message.segment_id(index).unwrap_or(SegmentId::NONE));
        }
        builder.close_to(0);
        builder.tree.structure = found.map(|(id, _)| id);
        builder.tree
    }

    /// Name of the structure it was read by; `None` where none is known.
    #[must_use]
    pub fn structure(&self) -> Option<&str> {
        self.structure.as_deref()
    }

    /// The message as a group without a name.
    #[must_use]
    pub fn root(&self) -> NodeRef<'_> {
        NodeRef { tree: self, at: 0 }
    }

    /// The node of a segment by its place in the message, from 0.
    #[must_use]
    pub fn node(&self, segment: usize) -> Option<NodeRef<'_>> {
        self.places.get(segment).map(|at| NodeRef { tree: self, at: *at })
    }

    /// Where the message deviates from its structure: the first [`DEVIATIONS_MAX`].
    #[must_use]
    pub fn deviations(&self) -> &[Deviation] {
        &self.deviations
    }

    /// How many deviations there are, those not listed included.
    #[must_use]
    pub fn deviation_count(&self) -> usize {
        self.deviation_count
    }

    /// Groups of a name anywhere in the message, in order.
    pub fn groups<'t>(&'t self, name: &'t str) -> impl Iterator<Item = NodeRef<'t>> + 't {
        self.root().groups(name)
    }

    /// Every segment of the message once, by its place, in the order of the message: what
    /// deviates from its structure stands in another order in the tree.
    #[must_use]
    pub fn flatten(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.root().all_segments().collect();
        all.sort_unstable();
        all
    }

    fn siblings(&self, first: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.linked(first), |at| {
            self.linked(self.nodes.get(*at as usize)?.next)
        })
    }

    fn children(&self, of: u32) -> impl Iterator<Item = u32> + '_ {
        self.siblings(self.nodes.get(of as usize).map_or(NONE, |node| node.first))
    }

    fn linked(&self, at: u32) -> Option<u32> {
        (at != NONE).then_some(at)
    }

    /// Adds a node below another.
    fn link(&mut self, parent: u32, mut node: Node) -> u32 {
        let at = u32::try_from(self.nodes.len()).unwrap_or(0);
        if let Some(above) = self.nodes.get_mut(parent as usize) {
            node.before = above.last;
            above.last = at;
            if above.first == NONE {
                above.first = at;
            }
        }
        if let Some(before) = self.nodes.get_mut(node.before as usize) {
            before.next = at;
        }
        self.nodes.push(node);
        at
    }

    /// For each node, which of the groups of its name it is in the group around it, from 1.
    pub(super) fn ordinals(&self) -> Vec<u32> {
        let mut ordinals = vec![1; self.nodes.len()];
        let mut counts: Vec<(&'static str, u32)> = Vec::new();
        for node in self.nodes.iter().filter(|node| node.segment == GROUP) {
            counts.clear();
            for at in self.siblings(node.first) {
                let Some(child) = self.nodes.get(at as usize) else { continue };
                if child.segment != GROUP {
                    continue;
                }
                let count = match counts.iter_mut().find(|(name, _)| *name == child.name) {
                    Some((_, count)) => {
                        *count += 1;
                        *count
                    }
                    None => {
                        counts.push((child.name, 1));
                        1
                    }
                };
                if let Some(ordinal) = ordinals.get_mut(at as usize) {
                    *ordinal = count;
                }
            }
        }
        ordinals
    }

    /// The groups around a segment, outermost first: `PATIENT_RESULT.ORDER_OBSERVATION[2]`.
    pub(super) fn group_path(&self, node: NodeRef<'_>, ordinals: &[u32]) -> String {
        let mut names = Vec::new();
        let mut at = node.parent();
        while let Some(group) = at.filter(|group| group.at != 0) {
            names.push(match ordinals.get(group.at as usize) {
                None | Some(0 | 1) => group.name().to_owned(),
                Some(n) => format!("{}[{n}]", group.name()),
            });
            at = group.parent();
        }
        names.reverse();
        names.join(".")
    }

    /// Places of the segments that a path with groups means.
    pub(super) fn places(&self, path: &Path) -> Vec<usize> {
        let mut groups = vec![self.root()];
        for step in path.groups() {
            groups = groups
                .into_iter()
                .flat_map(|group| {
                    let (skip, take) = range_of(step.pick);
                    group.groups(&step.name).skip(skip).take(take).collect::<Vec<_>>()
                })
                .collect();
        }
        let (skip, take) = range_of(path.occurrence());
        groups
            .into_iter()
            .flat_map(|group| {
                group.segments(path.segment()).skip(skip).take(take).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// How many to leave out and to take for a pick.
fn range_of(pick: Pick) -> (usize, usize) {
    match pick {
        Pick::Open | Pick::All => (0, usize::MAX),
        Pick::Nth(n) => ((n as usize).saturating_sub(1), 1),
    }
}

impl<'t> NodeRef<'t> {
    fn node(self) -> Option<&'t Node> {
        self.tree.nodes.get(self.at as usize)
    }

    /// Whether both are the same group or segment of one tree.
    pub(super) fn is(self, other: Self) -> bool {
        self.at == other.at
    }

    /// Group name or segment ID; empty for the root and for a line without a name.
    #[must_use]
    pub fn name(self) -> &'t str {
        self.node().map_or("", |n| if n.segment == GROUP { n.name } else { n.id.as_str() })
    }

    /// Place of the segment in the message, from 0; `None` for a group.
    #[must_use]
    pub fn segment(self) -> Option<usize> {
        self.node().filter(|node| node.segment != GROUP).map(|node| node.segment as usize)
    }

    /// Whether it is a group.
    #[must_use]
    pub fn is_group(self) -> bool {
        self.segment().is_none()
    }

    /// The group it stands in; `None` for the root.
    #[must_use]
    pub fn parent(self) -> Option<NodeRef<'t>> {
        if self.at == 0 {
            return None;
        }
        self.node().map(|node| NodeRef { tree: self.tree, at: node.parent })
    }

    /// Children in the order of the message.
    pub fn children(self) -> impl Iterator<Item = NodeRef<'t>> + 't {
        let tree = self.tree;
        tree.children(self.at).map(move |at| NodeRef { tree, at })
    }

    /// The innermost group of a name around it, itself included.
    #[must_use]
    pub fn enclosing(self, name: &str) -> Option<NodeRef<'t>> {
        let mut node = Some(self);
        while let Some(here) = node {
            if here.is_group() && here.name() == name {
                return Some(here);
            }
            node = here.parent();
        }
        None
    }

    /// Groups of a name below it, in order; those inside of one of them are left out.
    pub fn groups(self, name: &str) -> impl Iterator<Item = NodeRef<'t>> {
        self.walk(move |node| node.is_group() && node.name() == name)
    }

    /// Segments of an ID directly in this group, by their places in the message.
    pub fn child_segments(self, id: &str) -> impl Iterator<Item = usize> {
        self.children().filter(move |node| node.name() == id).filter_map(NodeRef::segment)
    }

    /// Segments of an ID anywhere below, by their places in the message.
    pub fn segments(self, id: &str) -> impl Iterator<Item = usize> {
        self.walk(move |node| !node.is_group() && node.name() == id).filter_map(NodeRef::segment)
    }

    /// All segments below, by their places in the message, in the order of the tree.
    pub fn all_segments(self) -> impl Iterator<Item = usize> {
        self.walk(|node| !node.is_group()).filter_map(NodeRef::segment)
    }

    /// Nodes below that are wanted, depth first, not going below one that is.
    fn walk(self, wanted: impl Fn(NodeRef<'t>) -> bool) -> impl Iterator<Item = NodeRef<'t>> {
        let mut stack: Vec<NodeRef<'t>> = self.children().collect();
        stack.reverse();
        std::iter::from_fn(move || {
            while let Some(node) = stack.pop() {
                if wanted(node) {
                    return Some(node);
                }
                let from = stack.len();
                stack.extend(node.children());
                stack[from..].reverse();
            }
            None
        })
    }
}

/// A group that is open while segments are placed.
struct Open {
    /// Place in the definition.
    def: u16,
    /// Place in the tree.
    node: u32,
    /// The child of the definition where the last segment went.
    child: usize,
    /// How often each child of the definition was seen.
    counts: Vec<u32>,
    /// Segment that opened the group.
    opener: SegmentId,
}

struct Builder {
    tree: Tree,
    def: Option<&'static StructureDef>,
    takes_any: bool,
    open: Vec<Open>,
    /// IDs of the segments placed so far.
    ids: Vec<SegmentId>,
    /// Counts of closed groups, to be used again.
    spare: Vec<Vec<u32>>,
}

impl Builder {
    fn new(def: Option<&'static StructureDef>, segments: usize) -> Self {
        // About as many groups as segments, as in results.
        let mut nodes = Vec::with_capacity(segments * 2 + 1);
        nodes.push(node("", SegmentId::NONE, GROUP, 0, 0));
        let tree = Tree {
            nodes,
            places: Vec::with_capacity(segments),
            structure: None,
            deviations: Vec::new(),
            deviation_count: 0,
        };
        let counts = def.map_or(0, |def| def.nodes[0].children.len());
        let takes_any = def.is_some_and(|def| def.takes_any);
        let open =
            Open { def: 0, node: 0, child: 0, counts: vec![0; counts], opener: SegmentId::NONE };
        let ids = Vec::with_capacity(segments);
        Self { tree, def, takes_any, open: vec![open], ids, spare: Vec::new() }
    }

    fn place(&mut self, index: usize, id: SegmentId) {
        self.ids.push(id);
        let segment = u32::try_from(index).unwrap_or(GROUP - 1);
        let Some(def) = self.def else {
            self.attach(0, id, segment);
            return;
        };
        let places = def.places_of(id);
        if places.is_empty() {
            let is_site = id.as_str().starts_with('Z');
            if !is_site && !self.takes_any {
                self.deviate(DeviationKind::Unexpected, id, "");
            }
            let innermost = self.open.last().map_or(0, |open| open.node);
            self.attach(innermost, id, segment);
            return;
        }
        for level in (0..self.open.len()).rev() {
            if let Some(child) = self.forward(def, level, id, places) {
                self.enter(def, (level, child), id, segment, places);
                return;
            }
            if let Some(child) = self.left_out(def, level, id) {
                let open = &mut self.open[level];
                open.counts[child] += 1;
                let (node, name) = (open.node, def.nodes[usize::from(open.def)].name);
                self.deviate(DeviationKind::OutOfOrder, id, name);
                self.attach(node, id, segment);
                return;
            }
        }
        self.place_back(def, id, segment, places);
    }

    /// The child of an open group, at or after where it stands, that takes a segment.
    fn forward(
        &self,
        def: &StructureDef,
        level: usize,
        id: SegmentId,
        places: Places,
    ) -> Option<usize> {
        let open = &self.open[level];
        let group = &def.nodes[usize::from(open.def)];
        let is_decided = group.kind == NodeKind::Choice && open.counts.iter().any(|n| *n > 0);
        for (child, &at) in group.children.iter().enumerate().skip(open.child) {
            if is_decided && child != open.child {
                return None;
            }
            let node = &def.nodes[usize::from(at)];
            let Some(place) = within(def, at, places) else { continue };
            let count = open.counts[child];
            let is_full = node.max != 0 && count >= node.max;
            if is_full {
                continue;
            }
            if node.kind == NodeKind::Segment {
                return Some(child);
            }
            // A group begins again only by what may stand first in it.
            if count > 0 && !begins(def, place, at) {
                continue;
            }
            // What began an open group begins it again, rather than an optional group of
            // another kind that has not begun: ORC in OML_O21 begins the next ORDER, not
            // a PRIOR_RESULT.
            if count == 0 && node.min == 0 && self.begins_open(def, level, id) {
                return None;
            }
            return Some(child);
        }
        None
    }

    /// Whether a segment began an open group that may repeat.
    fn begins_open(&self, def: &StructureDef, level: usize, id: SegmentId) -> bool {
        self.open[..=level]
            .iter()
            .any(|open| open.opener == id && def.nodes[usize::from(open.def)].max != 1)
    }

    /// A required child before where the group stands, that is still missing.
    fn left_out(&self, def: &StructureDef, level: usize, id: SegmentId) -> Option<usize> {
        let open = &self.open[level];
        let group = &def.nodes[usize::from(open.def)];
        group.children.iter().take(open.child).enumerate().find_map(|(child, at)| {
            let node = &def.nodes[usize::from(*at)];
            let fits = node.kind == NodeKind::Segment && node.name == id.as_str();
            (fits && node.min > 0 && open.counts[child] == 0).then_some(child)
        })
    }

    /// Puts a segment into a child of an open group, opening the groups between.
    fn enter(
        &mut self,
        def: &StructureDef,
        (level, child): (usize, usize),
        id: SegmentId,
        segment: u32,
        places: Places,
    ) {
        self.close_to(level + 1);
        let mut group = level;
        let mut child = child;
        loop {
            let open = &mut self.open[group];
            open.child = child;
            open.counts[child] += 1;
            let at = def.nodes[usize::from(open.def)].children[child];
            let parent = open.node;
            if def.nodes[usize::from(at)].kind == NodeKind::Segment {
                self.attach(parent, id, segment);
                return;
            }
            // A choice is no group of its own: what is chosen stands in the group around it.
            let node = match def.nodes[usize::from(at)].kind {
                NodeKind::Choice => parent,
                _ => self.group(parent, def.nodes[usize::from(at)].name, at),
            };
            let children = &def.nodes[usize::from(at)].children;
            let place = within(def, at, places).unwrap_or(at);
            // The child in whose range the segment lies: children stand in order.
            child = children.iter().rposition(|c| *c <= place).unwrap_or(0);
            let mut counts = self.spare.pop().unwrap_or_default();
            counts.clear();
            counts.resize(children.len(), 0);
            self.open.push(Open { def: at, node, child: 0, counts, opener: id });
            group += 1;
        }
    }

    /// Places a segment that fits nowhere ahead: into an open group that has such a
    /// segment, without moving on from where the message stands.
    fn place_back(&mut self, def: &StructureDef, id: SegmentId, segment: u32, places: Places) {
        for level in (0..self.open.len()).rev() {
            let open = &self.open[level];
            let Some(place) = within(def, open.def, places) else { continue };
            let mut chain = vec![];
            let mut at = def.nodes[usize::from(place)].parent;
            while at != open.def {
                if def.nodes[usize::from(at)].kind == NodeKind::Group {
                    chain.push(at);
                }
                at = def.nodes[usize::from(at)].parent;
            }
            let group = def.nodes[usize::from(def.nodes[usize::from(place)].parent)].name;
            let mut node = open.node;
            for at in chain.into_iter().rev() {
                let last = self.recent(node).find(|c| {
                    let child = &self.tree.nodes[*c as usize];
                    child.segment == GROUP && child.def == at
                });
                node = match last {
                    Some(last) => last,
                    None => self.group(node, def.nodes[usize::from(at)].name, at),
                };
            }
            let is_there = self.recent(node).any(|c| self.tree.nodes[c as usize].id == id);
            let kind = if is_there { DeviationKind::TooMany } else { DeviationKind::OutOfOrder };
            self.deviate(kind, id, group);
            self.attach(node, id, segment);
            return;
        }
        self.attach(0, id, segment);
    }

    /// The last children of a node, last first: as many as keep the time linear.
    fn recent(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let tree = &self.tree;
        let last = tree.nodes.get(node as usize).map_or(NONE, |node| node.last);
        std::iter::successors(tree.linked(last), |at| {
            tree.linked(tree.nodes.get(*at as usize)?.before)
        })
        .take(RECENT_MAX)
    }

    /// Closes open groups down to `level` of them, noting what they lack; 0 closes all.
    fn close_to(&mut self, level: usize) {
        while self.open.len() > level {
            let (Some(open), Some(def)) = (self.open.pop(), self.def) else { return };
            let group = &def.nodes[usize::from(open.def)];
            if group.kind == NodeKind::Choice {
                self.spare.push(open.counts);
                continue;
            }
            for (child, at) in group.children.iter().enumerate() {
                let node = &def.nodes[usize::from(*at)];
                if node.min > 0 && open.counts[child] == 0 && !is_hollow(def, *at) {
                    self.note(Deviation {
                        kind: DeviationKind::Missing,
                        name: node.name.to_owned(),
                        occurrence: 0,
                        segment: None,
                        group: group.name,
                    });
                }
            }
            self.spare.push(open.counts);
        }
    }

    fn attach(&mut self, parent: u32, id: SegmentId, segment: u32) {
        let at = self.tree.link(parent, node("", id, segment, 0, parent));
        self.tree.places.push(at);
    }

    fn group(&mut self, parent: u32, name: &'static str, def: u16) -> u32 {
        self.tree.link(parent, node(name, SegmentId::NONE, GROUP, def, parent))
    }

    fn deviate(&mut self, kind: DeviationKind, id: SegmentId, group: &'static str) {
        // Counting is worth it only for what is listed.
        let is_listed = self.tree.deviations.len() < DEVIATIONS_MAX;
        let occurrence =
            if is_listed { self.ids.iter().filter(|seen| **seen == id).count() } else { 1 };
        let segment = Some(self.ids.len().saturating_sub(1));
        self.note(Deviation { kind, name: id.as_str().to_owned(), occurrence, segment, group });
    }

    fn note(&mut self, deviation: Deviation) {
        self.tree.deviation_count += 1;
        if self.tree.deviations.len() < DEVIATIONS_MAX {
            self.tree.deviations.push(deviation);
        }
    }
}

fn node(name: &'static str, id: SegmentId, segment: u32, def: u16, parent: u32) -> Node {
    Node { name, id, segment, def, parent, first: NONE, last: NONE, next: NONE, before: NONE }
}

/// Places of the segments of one ID in a definition.
type Places = &'static [(&'static str, u16)];

/// The first of some places that lies inside of a node of a definition.
fn within(def: &StructureDef, at: u16, places: Places) -> Option<u16> {
    let end = def.ends.get(usize::from(at)).copied().unwrap_or(0);
    places.iter().map(|(_, place)| *place).find(|place| (at..end).contains(place))
}

/// Whether a node can be there without a segment of its own: a group that requires none,
/// or a place for any segment (`Hxx`), which nobody can tell from others.
fn is_hollow(def: &StructureDef, at: u16) -> bool {
    let node = &def.nodes[usize::from(at)];
    let mut inside = node.children.iter().map(|child| {
        let min = def.nodes[usize::from(*child)].min;
        min == 0 || is_hollow(def, *child)
    });
    match node.kind {
        NodeKind::Segment => node.name.len() != 3 || node.name == "Hxx",
        NodeKind::Group => inside.all(|hollow| hollow),
        NodeKind::Choice => inside.any(|hollow| hollow),
    }
}

/// Whether a segment may stand first in a group: nothing required stands before it.
fn begins(def: &StructureDef, place: u16, group: u16) -> bool {
    let mut at = place;
    while at != group {
        let parent = def.nodes[usize::from(at)].parent;
        let node = &def.nodes[usize::from(parent)];
        let is_first = node.kind == NodeKind::Choice
            || node
                .children
                .iter()
                .take_while(|child| **child != at)
                .all(|child| def.nodes[usize::from(*child)].min == 0);
        if !is_first {
            return false;
        }
        at = parent;
    }
    true
}

#[cfg(test)]
mod tests;
