//! How large a transaction is when it commits: what its writes and reads come to, not how often
//! they were repeated.

use super::Transaction;
use crate::error::{Error, Result, code};
use crate::keys::{KeyRange, RangeList, key_after};
use crate::pending::Pending;

/// What FoundationDB counts for a mutation and for a range beside their bytes.
pub(super) const MUTATION_OVERHEAD: usize = 28;
pub(super) const RANGE_OVERHEAD: usize = 24;

impl Transaction {
    /// # Errors
    /// 2101.
    pub(super) fn check_size(&self) -> Result<()> {
        // What was counted as it came is never less than what is left of it.
        let limit = self.options.size_limit;
        if self.size <= limit || (self.options.read_your_writes && self.size_left() <= limit) {
            return Ok(());
        }
        Err(Error::new(code::TRANSACTION_TOO_LARGE))
    }

    /// Bytes of the mutations and conflict ranges after later ones have replaced earlier ones.
    fn size_left(&self) -> usize {
        let entries = self.writes.entries().map(|(key, pending)| match pending {
            Pending::Value(None) => 2 * key.len() + 1 + MUTATION_OVERHEAD,
            Pending::Value(Some(value)) => key.len() + value.len() + MUTATION_OVERHEAD,
            Pending::Operations { base, operations } => {
                let operands = operations.iter().map(|(_, operand)| operand.len());
                let all = base.operand_len().into_iter().chain(operands);
                all.map(|operand| key.len() + operand + MUTATION_OVERHEAD).sum()
            }
        });
        let clears = self.writes.cleared_ranges();
        let clears = clears.map(|(begin, end)| begin.len() + end.len() + MUTATION_OVERHEAD);
        let stamped = self.stamped_keys.iter();
        let stamped = stamped
            .map(|write| write.template.operand_len() + write.value.len() + MUTATION_OVERHEAD);
        let conflicts = joined_size(&self.read_conflicts) + joined_size(&self.write_conflicts);
        entries.chain(clears).chain(stamped).sum::<usize>() + conflicts
    }
}

/// Bytes of ranges, those that overlap or touch taken together.
fn joined_size(ranges: &RangeList) -> usize {
    let bounds = |range| match range {
        KeyRange::Single(key) => (key, key_after(key)),
        KeyRange::Span(begin, end) => (begin, end.to_vec()),
    };
    let mut sorted: Vec<(&[u8], Vec<u8>)> = ranges.iter().map(bounds).collect();
    sorted.sort();
    let mut joined: Vec<(&[u8], Vec<u8>)> = Vec::new();
    for (begin, end) in sorted {
        match joined.last_mut() {
            Some((_, last_end)) if begin <= &**last_end => {
                if end > *last_end {
                    *last_end = end;
                }
            }
            _ => joined.push((begin, end)),
        }
    }
    joined.iter().map(|(begin, end)| begin.len() + end.len() + RANGE_OVERHEAD).sum()
}
