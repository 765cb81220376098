//! The group instances of a message: which segment stands in which instance of which group.

use super::pick::Go;

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
}

impl Groups {
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

    /// Shows the indexes of segments at these places of the structure within an instance.
    pub(crate) fn segments_within(
        &self,
        within: u32,
        leaves: &[u16],
        see: &mut dyn FnMut(usize) -> Go,
    ) -> Go {
        for leaf in leaves {
            let start = self.by_leaf.partition_point(|(l, _)| l < leaf);
            for (_, segment) in self.by_leaf.iter().skip(start).take_while(|(l, _)| l == leaf) {
                let group = self.of_segment.get(*segment as usize).copied().unwrap_or(0);
                if self.is_within(group, within) && see(*segment as usize) == Go::Stop {
                    return Go::Stop;
                }
            }
        }
        Go::On
    }
}
