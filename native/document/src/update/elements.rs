//! The changes of an update made to one array, element by element.
//!
//! An element goes through all changes before the next one does. That is the same as making one
//! change after the other to the whole array, because a change looks at one element at a time; only
//! positions shift by the elements that a change before it has removed.

use std::borrow::Cow;

use super::Change;
use super::apply::{Place, Scope};
use super::path::Step;
use crate::Error;
use crate::output::{Output, Source};
use crate::raw::{self, Element, kind};

/// Which elements a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Index(usize),
    Every,
    /// Those that pass the filter.
    Filtered(usize),
}

#[derive(Debug)]
struct Task<'c> {
    change: &'c Change,
    target: Target,
    /// Whether it removes its elements.
    removes: bool,
    /// So many elements it has removed so far.
    removed: usize,
}

/// What is done to an array.
struct Tasks<'c> {
    tasks: Vec<Task<'c>>,
    /// Each is about one element and none removes: then they are sorted by that element, and this
    /// is the first that has not had its turn.
    next: Option<usize>,
}

impl<'c> Tasks<'c> {
    fn new(scope: &Scope<'_>, changes: &[&'c Change], depth: usize) -> Tasks<'c> {
        let mut tasks: Vec<Task<'c>> = changes
            .iter()
            .filter_map(|&change| {
                let step = change.path.get(depth)?;
                let target = match step {
                    Step::Name { index, .. } => Target::Index((*index)?),
                    Step::Matched(array) => Target::Index(*scope.matched.get(*array)?),
                    Step::Every => Target::Every,
                    Step::Filtered(filter) => Target::Filtered(*filter),
                };
                let is_stable = matches!(step, Step::Matched(_));
                let removes = change.ends_at(depth) && change.value.is_none() && !is_stable;
                Some(Task { change, target, removes, removed: 0 })
            })
            .collect();
        let is_direct = |task: &Task<'_>| matches!(task.target, Target::Index(_)) && !task.removes;
        let next = tasks.iter().all(is_direct).then_some(0);
        if next.is_some() {
            tasks.sort_by_key(|task| match task.target {
                Target::Index(index) => index,
                Target::Every | Target::Filtered(_) => 0,
            });
        }
        Tasks { tasks, next }
    }

    /// The tasks that may be about the element at `position`; called for each position in turn.
    fn at(&mut self, position: usize) -> &mut [Task<'c>] {
        let Some(start) = self.next else { return &mut self.tasks };
        let later = self.tasks.get_mut(start..).unwrap_or_default();
        let count = later.partition_point(|task| task.target == Target::Index(position));
        self.next = Some(start + count);
        later.get_mut(..count).unwrap_or_default()
    }
}

impl Scope<'_> {
    /// Writes `array` with the changes whose step `depth` is about its elements. A name that is no
    /// number changes nothing.
    pub(super) fn array(
        &self,
        array: &[u8],
        changes: &[&Change],
        depth: usize,
        out: &mut Output<'_>,
    ) -> Result<(), Error> {
        let mut tasks = Tasks::new(self, changes, depth);
        let start = out.begin()?;
        let mut source = Source::open(array)?;
        let (mut position, mut written) = (0, 0);
        while let Some(element) = source.next()? {
            let turn = tasks.at(position);
            if !turn.is_empty() || written < position {
                source.leave_out(out)?;
                written +=
                    usize::from(self.element(&element, (position, written), turn, depth, out)?);
            } else {
                written += 1;
            }
            position += 1;
        }
        source.finish(out)?;
        out.end(start)
    }

    /// Writes the element that was at the first of the positions and is at the second now; returns
    /// whether it is still there.
    fn element(
        &self,
        element: &Element<'_>,
        (mut position, written): (usize, usize),
        tasks: &mut [Task<'_>],
        depth: usize,
        out: &mut Output<'_>,
    ) -> Result<bool, Error> {
        let mut kind = element.kind;
        let mut bytes = Cow::Borrowed(element.bytes);
        let mut pending: Vec<&Change> = Vec::new();
        for task in tasks {
            let is_target = match task.target {
                Target::Index(index) => index == position,
                Target::Every => true,
                Target::Filtered(filter) => {
                    if !pending.is_empty() {
                        let mut changed = Vec::new();
                        let mut inner = Output::new(&mut changed);
                        kind = self.inner(
                            Place::Bare,
                            Some((kind, &bytes)),
                            &pending,
                            depth,
                            &mut inner,
                        )?;
                        bytes = Cow::Owned(changed);
                        pending.clear();
                    }
                    let filter = self.filters.get(filter);
                    let value = raw::decode(kind, &bytes)?;
                    filter.map_or(Ok(false), |filter| filter.passes(value))?
                }
            };
            position -= task.removed;
            if !is_target {
                continue;
            }
            if task.removes {
                task.removed += 1;
                return Ok(false);
            }
            if !task.change.ends_at(depth) {
                pending.push(task.change);
                continue;
            }
            pending.clear();
            let (new_kind, new_bytes) = task.change.value().unwrap_or((kind::NULL, &[]));
            kind = new_kind;
            bytes = Cow::Borrowed(new_bytes);
        }
        self.inner(Place::Element(written), Some((kind, &bytes)), &pending, depth, out)?;
        Ok(true)
    }
}
