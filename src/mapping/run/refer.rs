//! Which instances a reference means.
//!
//! A few instances are looked through; of many, those in one group or of one segment are
//! found by an index that is made when it is first asked for. So a message of thousands of
//! orders, each referring to its own results, takes time like its length and not like its
//! square.

use super::super::datum::Input;
use super::super::pick::Here;
use super::super::program::RefTo;
use super::Run;

/// Most instances of a rule that are looked through one by one: fewer cost less than an
/// index does.
const SCAN_MAX: usize = 16;

/// What instances are found by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The instance of a group of this kind around them.
    Group(u16),
    /// The segment they were made from.
    Segment,
}

/// The instances of one rule in order of the places they stand in.
struct Index {
    rule: u16,
    by: By,
    /// (group instance or place of the segment, number of the instance)
    places: Vec<(u32, u32)>,
}

impl Index {
    fn at(&self, place: u32) -> &[(u32, u32)] {
        let from = self.places.partition_point(|(known, _)| *known < place);
        let rest = self.places.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|(known, _)| *known == place)).unwrap_or_default()
    }
}

/// The indexes of a run.
#[derive(Default)]
pub(super) struct References(Vec<Index>);

impl<'r> Run<'r> {
    /// Instances a reference may mean, by their numbers, in order.
    pub(super) fn referred<'a>(
        &'a mut self,
        to: &RefTo,
        here: &Here<'r>,
    ) -> impl Iterator<Item = usize> + use<'a, 'r> {
        let rule = usize::from(to.rule);
        let tree = matches!(self.input, Input::Cda(_));
        let nearest = if tree { self.nearest(rule, here) } else { 0..0 };
        let start = self.starts.get(rule).copied().unwrap_or(0);
        let end = self.starts.get(rule + 1).copied().unwrap_or(start);
        let own = here.segment.map(|segment| segment.index());
        let within = self.groups.enclosing(here.group, to.climb);
        let (by, place) = match to.same_segment {
            true => (By::Segment, own.and_then(|own| u32::try_from(own).ok())),
            false => (By::Group(to.climb), Some(within)),
        };
        // Of the whole message all instances are meant.
        let all = !to.same_segment && within == 0;
        let place = place.filter(|_| !tree && !all && end - start > SCAN_MAX);
        if place.is_some() {
            self.index(to.rule, by, start..end);
        }
        let run = &*self;
        let index = run.references.0.iter().find(|index| (index.rule, index.by) == (to.rule, by));
        let found = place.and_then(|place| Some(index?.at(place)));
        let scanned = if found.is_some() || tree { nearest.clone() } else { start..end };
        let same_segment = to.same_segment;
        let scanned = scanned.filter(move |at| {
            work(1);
            all || tree
                || run.instances.get(*at).is_some_and(|instance| match same_segment {
                    true => instance.segment.map(|segment| segment.index()) == own,
                    false => run.groups.is_within(instance.group, within),
                })
        });
        found.unwrap_or_default().iter().map(|(_, at)| *at as usize).chain(scanned)
    }

    /// Instances of a rule in a document: those within the smallest element around us that
    /// has any. They stand in order of their elements.
    fn nearest(&self, rule: usize, here: &Here<'r>) -> std::ops::Range<usize> {
        let start = self.starts.get(rule).copied().unwrap_or(0);
        let end = self.starts.get(rule + 1).copied().unwrap_or(start);
        let instances = self.instances.get(start..end).unwrap_or_default();
        let index = |instance: &super::instance::Instance<'r>| {
            instance.element.map_or(0, |element| element.index())
        };
        let mut around = here.element;
        while let Some(element) = around {
            let from = instances.partition_point(|one| index(one) < element.index());
            let to = instances.partition_point(|one| index(one) < element.end_index());
            if from < to {
                return start + from..start + to;
            }
            around = element.parent();
        }
        start..end
    }

    /// Makes the index of a rule, where there is none yet.
    fn index(&mut self, rule: u16, by: By, instances: std::ops::Range<usize>) {
        let indexes = &self.references.0;
        if indexes.iter().any(|index| (index.rule, index.by) == (rule, by)) {
            return;
        }
        let numbers = (0u32..).skip(instances.start);
        let instances = self.instances.get(instances).unwrap_or_default();
        work(instances.len());
        let place = |(at, instance): (u32, &super::instance::Instance<'r>)| {
            let place = match by {
                By::Group(node) => self.groups.enclosing(instance.group, node),
                By::Segment => u32::try_from(instance.segment?.index()).ok()?,
            };
            Some((place, at))
        };
        let mut places: Vec<(u32, u32)> = numbers.zip(instances).filter_map(place).collect();
        places.sort_unstable();
        self.references.0.push(Index { rule, by, places });
    }
}

#[cfg(test)]
thread_local! {
    static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Counts instances looked at, in tests alone.
fn work(instances: usize) {
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + instances));
    let _ = instances;
}

/// Instances looked at so far by this thread.
#[cfg(test)]
pub(crate) fn worked() -> usize {
    WORK.with(std::cell::Cell::get)
}
