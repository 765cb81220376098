//! The group instances of a message: which segment stands in which instance of which group.
//!
//! Placing is tolerant: a segment out of order goes where the structure has it, one the
//! structure does not know into the group that is open. Nothing is refused here, for what a
//! sender leaves out or adds must not cost the rest of the message.

use super::pick::Go;
use super::structure::{NOWHERE, Structure};
use crate::hl7v2::Message;

/// How many instances back a segment out of order looks for its group.
const RECENT_MAX: usize = 64;

/// Deepest nesting of groups: structures of the standard reach 5.
const DEPTH_MAX: usize = 16;

/// Groups and segments of one message after a structure.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    /// Instances; the first is the message itself.
    instances: Vec<Instance>,
    /// Group instance of each segment, by its index in the message.
    of_segment: Vec<u32>,
    /// (place in the structure, segment index), sorted.
    by_leaf: Vec<(u16, u32)>,
}

#[derive(Debug)]
struct Instance {
    /// Place of the group in the structure.
    node: u16,
    parent: u32,
    /// First and last segment in it, by their indexes; the first is above the last while
    /// there is none.
    first: u32,
    last: u32,
}

/// The walk through the segments.
struct Placing<'s> {
    structure: &'s Structure,
    instances: Vec<Instance>,
    /// Open groups: place in the structure, instance and place of the segment that began it,
    /// the message first.
    open: Vec<(u16, u32, u16)>,
    /// Place of the segment placed last.
    cursor: u16,
}

impl Groups {
    /// Lays a message into a structure.
    pub(crate) fn read(message: &Message, structure: &Structure) -> Self {
        let mut placing = Placing {
            structure,
            instances: vec![Instance { node: 0, parent: 0, first: 0, last: u32::MAX }],
            open: vec![(0, 0, NOWHERE)],
            cursor: 0,
        };
        let count = message.segment_count();
        let mut of_segment = Vec::with_capacity(count);
        let mut by_leaf = Vec::with_capacity(count);
        for (index, segment) in (0u32..).zip(message.segments()) {
            let (leaf, group) = placing.place(segment.id());
            of_segment.push(group);
            placing.note(group, index);
            if leaf != NOWHERE {
                by_leaf.push((leaf, index));
            }
        }
        by_leaf.sort_unstable();
        Self { instances: placing.instances, of_segment, by_leaf }
    }

    /// The enclosing instance of a group of this kind; the message itself when there is none.
    pub(crate) fn enclosing(&self, from: u32, node: u16) -> u32 {
        let mut at = from;
        while let Some(instance) = self.instances.get(at as usize) {
            if instance.node == node || at == 0 {
                return at;
            }
            at = instance.parent;
        }
        0
    }

    /// Whether an instance is `outer` or lies in it.
    pub(crate) fn is_within(&self, inner: u32, outer: u32) -> bool {
        let mut at = inner;
        loop {
            if at == outer {
                return true;
            }
            match self.instances.get(at as usize) {
                Some(instance) if at != 0 => at = instance.parent,
                _ => return false,
            }
        }
    }

    /// The group around an instance.
    pub(crate) fn parent(&self, at: u32) -> u32 {
        self.instances.get(at as usize).map_or(0, |instance| instance.parent)
    }

    /// Index of the first segment in an instance.
    pub(crate) fn first_of(&self, at: u32) -> usize {
        self.instances.get(at as usize).map_or(0, |instance| instance.first as usize)
    }

    /// The group instance of a segment.
    pub(crate) fn of_segment(&self, segment: usize) -> u32 {
        self.of_segment.get(segment).copied().unwrap_or(0)
    }

    /// Instances of a group, in order of the message.
    pub(crate) fn instances_of(&self, node: u16) -> impl Iterator<Item = u32> + '_ {
        (0u32..).zip(&self.instances).filter(move |(_, i)| i.node == node).map(|(at, _)| at)
    }

    /// Shows the indexes of segments at these places of the structure within an instance.
    pub(crate) fn segments_within(
        &self,
        within: u32,
        leaves: &[u16],
        see: &mut dyn FnMut(usize) -> Go,
    ) -> Go {
        for leaf in leaves {
            let Some(instance) = self.instances.get(within as usize) else { continue };
            let (first, last) = ((*leaf, instance.first), (*leaf, instance.last));
            let start = self.by_leaf.partition_point(|place| *place < first);
            for (_, segment) in self.by_leaf.iter().skip(start).take_while(|at| **at <= last) {
                // What stands between its segments may be another's, out of order.
                let group = self.of_segment(*segment as usize);
                if self.is_within(group, within) && see(*segment as usize) == Go::Stop {
                    return Go::Stop;
                }
            }
        }
        Go::On
    }
}

impl Placing<'_> {
    /// Place in the structure and group instance of the next segment.
    fn place(&mut self, id: &str) -> (u16, u32) {
        let structure = self.structure;
        for level in (0..self.open.len()).rev() {
            let Some(&(group, ..)) = self.open.get(level) else { break };
            let forward = structure.leaves(group, id).find(|leaf| {
                *leaf > self.cursor || (*leaf == self.cursor && structure.repeats(*leaf))
            });
            if let Some(leaf) = forward.filter(|leaf| !self.begins_again(level, *leaf, id)) {
                self.open.truncate(level + 1);
                return (leaf, self.enter(group, leaf));
            }
            let starts = || structure.leaves(group, id).find(|l| structure.can_start(group, *l));
            if structure.repeats(group)
                && let Some(leaf) = starts()
            {
                self.open.truncate(level);
                let outer = structure.parent(group);
                return (leaf, self.enter(outer, leaf));
            }
        }
        self.misplaced(id)
    }

    /// Whether a segment that would begin an optional group rather begins an open one again,
    /// as it did before: ORC in OML_O21 begins the next ORDER, not a PRIOR_RESULT.
    fn begins_again(&self, level: usize, leaf: u16, id: &str) -> bool {
        let structure = self.structure;
        let Some(&(within, ..)) = self.open.get(level) else { return false };
        let outermost = structure.enclosing(leaf).take_while(|group| *group != within).last();
        outermost.is_some_and(|group| structure.is_optional(group))
            && self.open.iter().take(level + 1).any(|(group, _, opener)| {
                structure.repeats(*group) && structure.name(*opener) == id
            })
    }

    /// Opens the groups from an open one down to a segment.
    fn enter(&mut self, from: u16, leaf: u16) -> u32 {
        self.cursor = leaf;
        let (path, depth) = self.path(from, leaf);
        for group in path.into_iter().take(depth).rev() {
            let parent = self.open.last().map_or(0, |(_, instance, _)| *instance);
            let instance = self.add(group, parent);
            self.open.push((group, instance, leaf));
        }
        self.open.last().map_or(0, |(_, instance, _)| *instance)
    }

    /// Groups from a segment up to below an open one, and how many they are.
    fn path(&self, from: u16, leaf: u16) -> ([u16; DEPTH_MAX], usize) {
        let mut path = [0; DEPTH_MAX];
        let groups = self.structure.enclosing(leaf).take_while(|group| *group != from);
        let depth = path.iter_mut().zip(groups).map(|(place, group)| *place = group).count();
        (path, depth)
    }

    fn add(&mut self, node: u16, parent: u32) -> u32 {
        let at = u32::try_from(self.instances.len()).unwrap_or(0);
        self.instances.push(Instance { node, parent, first: u32::MAX, last: 0 });
        at
    }

    /// Widens the spans of a group and of those around it by a segment.
    fn note(&mut self, group: u32, segment: u32) {
        let mut at = group;
        // The message itself holds every segment.
        while at != 0 {
            let Some(instance) = self.instances.get_mut(at as usize) else { return };
            instance.first = instance.first.min(segment);
            instance.last = instance.last.max(segment);
            at = instance.parent;
        }
    }

    /// A segment out of order or unknown; what is open stays open.
    fn misplaced(&mut self, id: &str) -> (u16, u32) {
        let structure = self.structure;
        for level in (0..self.open.len()).rev() {
            let Some(&(group, instance, _)) = self.open.get(level) else { break };
            if let Some(leaf) = structure.leaves(group, id).next() {
                let (path, depth) = self.path(group, leaf);
                let mut at = instance;
                for inner in path.into_iter().take(depth).rev() {
                    at = self.recent(inner, at).unwrap_or_else(|| self.add(inner, at));
                }
                return (leaf, at);
            }
        }
        let innermost = self.open.last().map_or(0, |(_, instance, _)| *instance);
        (structure.loose_place(id), innermost)
    }

    fn recent(&self, node: u16, parent: u32) -> Option<u32> {
        let count = self.instances.len();
        let found = self
            .instances
            .iter()
            .enumerate()
            .skip(count.saturating_sub(RECENT_MAX))
            .rfind(|(_, i)| i.node == node && i.parent == parent)?;
        u32::try_from(found.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hl7v2::tables::Site;
    use bytes::Bytes;

    /// Each segment with the numbers of the instances of its groups, outermost first.
    fn check(structure: &str, segments: &str, expected: &str) {
        let structure = Structure::find("2.5.1", structure, Site::NONE).unwrap();
        let text = format!("MSH|^~\\&|||||||ORU^R01|1|P|2.5.1\r{}\r", segments.replace(' ', "\r"));
        let message = Message::parse(Bytes::from(text)).unwrap();
        let groups = Groups::read(&message, &structure);
        let shown: Vec<String> = message
            .segments()
            .skip(1)
            .map(|segment| {
                let mut at = groups.of_segment(segment.index());
                let mut path = Vec::new();
                while at != 0 {
                    let node = groups.instances[at as usize].node;
                    let nth = groups.instances_of(node).position(|i| i == at).unwrap() + 1;
                    let short: String =
                        structure.name(node).split('_').filter_map(|w| w.chars().next()).collect();
                    path.insert(0, format!("{short}{nth}"));
                    at = groups.parent(at);
                }
                format!(
                    "{}{}",
                    segment.id(),
                    path.iter().map(|p| format!(".{p}")).collect::<String>()
                )
            })
            .collect();
        assert_eq!(shown.join(" "), expected, "{segments}");
    }

    #[test]
    fn segments_find_their_groups() {
        check(
            "ORU_R01",
            "PID NTE PV1 ORC OBR NTE OBX NTE OBX OBR OBX SPM OBX",
            "PID.PR1.P1 NTE.PR1.P1 PV1.PR1.P1.V1 ORC.PR1.OO1 OBR.PR1.OO1 NTE.PR1.OO1 \
             OBX.PR1.OO1.O1 NTE.PR1.OO1.O1 OBX.PR1.OO1.O2 OBR.PR1.OO2 OBX.PR1.OO2.O3 \
             SPM.PR1.OO2.S1 OBX.PR1.OO2.S1",
        );
        check(
            "ORU_R01",
            "PID OBR OBX PID OBR",
            "PID.PR1.P1 OBR.PR1.OO1 OBX.PR1.OO1.O1 PID.PR2.P2 OBR.PR2.OO2",
        );
        check(
            "OML_O21",
            "PID ORC OBR SPM ORC OBR PID ORC OBR OBX ORC OBR OBX ORC",
            "PID.P1 ORC.O1 OBR.O1.OR1 SPM.O1.OR1.S1 ORC.O2 OBR.O2.OR2 PID.O2.OR2.PR1.PP1 \
             ORC.O2.OR2.PR1.OP1 OBR.O2.OR2.PR1.OP1 OBX.O2.OR2.PR1.OP1.OP1 ORC.O2.OR2.PR1.OP2 \
             OBR.O2.OR2.PR1.OP2 OBX.O2.OR2.PR1.OP2.OP2 ORC.O2.OR2.PR1.OP3",
        );
        check("ADT_A01", "EVN PID PV1 IN1 IN2 IN1 ZPI", "EVN PID PV1 IN1.I1 IN2.I1 IN1.I2 ZPI.I2");
    }

    #[test]
    fn segments_out_of_order_go_where_they_belong() {
        check("ORU_R01", "OBX PID PV1", "OBX.PR1.OO1.O1 PID.PR2.P1 PV1.PR2.P1.V1");
        check("ADT_A01", "PV1 PID AL1 NK1", "PV1 PID AL1 NK1");
        check("ORU_R01", "PID OBR SPM NTE", "PID.PR1.P1 OBR.PR1.OO1 SPM.PR1.OO1.S1 NTE.PR1.OO1");
        check("ADT_A01", "PID PID ZZZ", "PID PID ZZZ");
    }
}
