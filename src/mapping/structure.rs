//! The message structure a mapping is written for.
//!
//! A mapping lays every message into its own structure, not into the one the message names:
//! so its paths are resolved once, at load, and mean the same for every message.

use crate::hl7v2::tables::{self, NodeKind, SegmentDef, Site, StructureDef, Version};

/// How far segments of a site that follow each other are followed back.
const SITE_CHAIN_MAX: usize = 8;

/// Segment without a place in the structure.
pub(crate) const NOWHERE: u16 = u16::MAX;

/// A structure with what placing segments needs to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Structure {
    pub version: &'static Version,
    /// What the site says besides.
    pub site: Site,
    pub id: Box<str>,
    def: &'static StructureDef,
    /// End of the subtree of each node, exclusive.
    ends: Box<[u16]>,
    /// Segments of the structure by name and place.
    places: Box<[(&'static str, u16)]>,
    /// Segments the mapping reads that no structure knows (`ZPI`): their places follow
    /// those of the structure.
    loose: Vec<Box<str>>,
}

impl Structure {
    /// The structure of a name in a version.
    pub(crate) fn find(version: &str, id: &str, site: Site) -> Option<Self> {
        let (version, exact) = tables::version(version);
        if !exact {
            return None;
        }
        let def = version.structure(id)?;
        let count = def.nodes.len();
        let mut ends: Vec<u16> = (0..count).map(|at| at as u16 + 1).collect();
        for at in (1..count).rev() {
            let parent = usize::from(def.nodes.get(at)?.parent);
            let end = *ends.get(at)?;
            let outer = ends.get_mut(parent)?;
            *outer = end.max(*outer);
        }
        let segments = (0u16..).zip(&*def.nodes).filter(|(_, n)| n.kind == NodeKind::Segment);
        let mut places: Vec<_> = segments.map(|(at, node)| (node.name, at)).collect();
        places.sort_unstable();
        let (id, ends, places) = (id.into(), ends.into(), places.into());
        Some(Self { version, site, id, def, ends, places, loose: Vec::new() })
    }

    pub(crate) fn len(&self) -> u16 {
        u16::try_from(self.def.nodes.len()).unwrap_or(NOWHERE)
    }

    pub(crate) fn name(&self, node: u16) -> &str {
        match self.def.nodes.get(usize::from(node)) {
            Some(node) => node.name,
            None => {
                self.loose.get(usize::from(node.saturating_sub(self.len()))).map_or("", |id| id)
            }
        }
    }

    pub(crate) fn is_group(&self, node: u16) -> bool {
        self.def.nodes.get(usize::from(node)).is_some_and(|n| n.kind != NodeKind::Segment)
    }

    pub(crate) fn parent(&self, node: u16) -> u16 {
        self.def.nodes.get(usize::from(node)).map_or(0, |n| n.parent)
    }

    pub(crate) fn end(&self, node: u16) -> u16 {
        self.ends.get(usize::from(node)).copied().unwrap_or(node)
    }

    /// Whether a node may stand more than once in its group.
    pub(crate) fn repeats(&self, node: u16) -> bool {
        match self.def.nodes.get(usize::from(node)) {
            Some(n) => node != 0 && n.max != 1,
            None => true,
        }
    }

    /// Whether a node may be missing in its group.
    pub(crate) fn is_optional(&self, node: u16) -> bool {
        self.def.nodes.get(usize::from(node)).is_none_or(|n| n.min == 0)
    }

    /// Whether a node lies in a group or is it.
    pub(crate) fn is_within(&self, node: u16, group: u16) -> bool {
        node >= self.len() || (node >= group && node < self.end(group))
    }

    /// Groups from the innermost one around a node (itself, if it is one) to the message.
    pub(crate) fn enclosing(&self, node: u16) -> impl Iterator<Item = u16> + '_ {
        let first = if self.is_group(node) { node } else { self.parent(node) };
        std::iter::successors(Some(first), |at| (*at != 0).then(|| self.parent(*at)))
    }

    /// Segments of a name within a group.
    pub(crate) fn leaves<'s>(&'s self, group: u16, id: &'s str) -> impl Iterator<Item = u16> + 's {
        let (first, end) = (self.places.partition_point(|p| *p < (id, group)), self.end(group));
        let places = self.places.iter().skip(first);
        places.take_while(move |(name, at)| *name == id && *at < end).map(|(_, at)| *at)
    }

    /// A group by its name.
    pub(crate) fn group(&self, name: &str) -> Option<u16> {
        (1..self.len()).find(|at| self.is_group(*at) && self.name(*at) == name)
    }

    /// Names of all segments and groups.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        (1..self.len()).map(|at| self.name(at))
    }

    /// Whether anything from a group down to a node repeats, the group itself left out.
    pub(crate) fn repeats_below(&self, group: u16, node: u16) -> bool {
        if self.repeats(node) && node != group {
            return true;
        }
        self.enclosing(node).take_while(|at| *at != group).any(|at| self.repeats(at))
    }

    /// Whether a segment has to stand in every instance of a group.
    pub(crate) fn is_demanded(&self, group: u16, leaf: u16) -> bool {
        !self.is_optional(leaf)
            && self.enclosing(leaf).take_while(|at| *at != group).all(|at| !self.is_optional(at))
    }

    /// What a segment holds: by the site, else by the version.
    pub(crate) fn segment(&self, id: &str) -> Option<&'static SegmentDef> {
        self.site.segment(self.version, id)
    }

    /// Where a segment of the site stands, seen from a group: the nearest enclosing group
    /// that has the segment it follows, and whether it may stand there several times.
    /// Nothing where the site does not say what it follows.
    pub(crate) fn home(&self, id: &str, from: u16) -> Option<(u16, bool)> {
        let parts = self.site.parts()?;
        let after_of = |id: &str| {
            parts.segments.iter().find(|own| &*own.id == id).and_then(|own| own.after.as_deref())
        };
        // One that follows another of the site stands where that one does; a few steps do.
        let mut after = after_of(id)?;
        for _ in 0..SITE_CHAIN_MAX {
            match after_of(after) {
                Some(before) => after = before,
                None => break,
            }
        }
        self.enclosing(from).find_map(|climb| {
            let all: Vec<u16> = self.leaves(climb, after).collect();
            let direct = all.iter().copied().find(|leaf| self.parent(*leaf) == climb);
            let leaf = direct.or_else(|| all.first().copied())?;
            let several = direct.is_none() && all.len() > 1 || self.repeats_below(climb, leaf);
            Some((climb, several))
        })
    }

    /// The place of a segment no structure knows.
    pub(crate) fn loose(&mut self, id: &str) -> u16 {
        let at = self.loose.iter().position(|known| &**known == id).unwrap_or_else(|| {
            self.loose.push(id.into());
            self.loose.len() - 1
        });
        self.len() + u16::try_from(at).unwrap_or(0)
    }

    /// The place of a segment that stands outside the structure.
    pub(crate) fn loose_place(&self, id: &str) -> u16 {
        match self.loose.iter().position(|known| &**known == id) {
            Some(at) => self.len() + u16::try_from(at).unwrap_or(0),
            None => NOWHERE,
        }
    }

    /// Whether a segment may be what a group begins with: all before it may be missing.
    pub(crate) fn can_start(&self, group: u16, leaf: u16) -> bool {
        let mut at = leaf;
        while at != group {
            let parent = self.parent(at);
            let Some(def) = self.def.nodes.get(usize::from(parent)) else { return false };
            let before = def.children.iter().take_while(|child| **child != at);
            if def.kind != NodeKind::Choice && !before.clone().all(|c| self.is_optional(*c)) {
                return false;
            }
            at = parent;
        }
        true
    }
}
