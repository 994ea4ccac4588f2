//! Fault mode, for tests: makes a healthy store answer as a troubled cluster may.
//!
//! Every attempt of a transaction draws its faults from a stream of its own, numbered in the order
//! in which attempts begin: as long as that order repeats, a seed repeats the faults.
//!
//! INVARIANT: a fault never makes an answer wrong. An acknowledged commit is applied, one refused
//! with 1020 or 1007 is not, one answered 1021 is applied as a whole or not at all, and not later.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{Error, Result, code};

/// Longest that an answer can be kept back.
const DELAY_LIMIT: Duration = Duration::from_secs(1);

/// How often which fault happens. Rates are from 0, never, to 1, always.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Repeats a run.
    pub seed: u64,
    /// Commits that are not made and answered 1020.
    pub not_committed: f64,
    /// Commits that are answered 1021; one half of them is made.
    pub unknown_result: f64,
    /// Commits that are not made and answered 1007.
    pub too_old_commits: f64,
    /// Reads that are answered 1007, and with them all that their transaction does from then on.
    pub too_old_reads: f64,
    /// Commits whose answer is kept back, so that answers change their order.
    pub late_commits: f64,
    /// Reads whose answer is kept back; see [`crate::Transaction::read_delay`].
    pub late_reads: f64,
    /// Longest that an answer is kept back; up to 1 s.
    pub max_delay: Duration,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 0,
            not_committed: 0.0,
            unknown_result: 0.0,
            too_old_commits: 0.0,
            too_old_reads: 0.0,
            late_commits: 0.0,
            late_reads: 0.0,
            max_delay: Duration::from_millis(5),
        }
    }
}

impl FromStr for Faults {
    type Err = Error;

    /// Reads `seed=7 not_committed=0.05 max_delay_ms=20`: the names are those of the fields, what
    /// is not named keeps its default.
    fn from_str(text: &str) -> Result<Self> {
        let mut faults = Self::default();
        for word in text.split_ascii_whitespace() {
            faults.set(word).ok_or_else(|| {
                Error::with_message(code::INVALID_OPTION_VALUE, format!("no such fault: {word}"))
            })?;
        }
        Ok(faults)
    }
}

impl Faults {
    fn set(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=')?;
        let rate = match name {
            "seed" => {
                self.seed = value.parse().ok()?;
                return Some(());
            }
            "max_delay_ms" => {
                let delay = Duration::from_millis(value.parse().ok()?);
                self.max_delay = (delay <= DELAY_LIMIT).then_some(delay)?;
                return Some(());
            }
            "not_committed" => &mut self.not_committed,
            "unknown_result" => &mut self.unknown_result,
            "too_old_commits" => &mut self.too_old_commits,
            "too_old_reads" => &mut self.too_old_reads,
            "late_commits" => &mut self.late_commits,
            "late_reads" => &mut self.late_reads,
            _ => return None,
        };
        *rate = value.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))?;
        Some(())
    }
}

/// The faults in force in a store, if any.
#[derive(Debug, Default)]
pub(crate) struct FaultMode {
    /// Whether `plan` has one: all that a store without faults ever looks at.
    on: AtomicBool,
    plan: Mutex<Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    faults: Arc<Faults>,
    /// Attempts that have begun.
    attempts: u64,
}

impl FaultMode {
    pub(crate) fn new(faults: Option<Faults>) -> Self {
        let mode = Self::default();
        mode.set(faults);
        mode
    }

    /// Replaces the faults for the attempts that begin from now on, and starts counting anew.
    pub(crate) fn set(&self, faults: Option<Faults>) {
        let mut plan = self.plan.lock();
        *plan = faults.map(|faults| Plan { faults: Arc::new(faults), attempts: 0 });
        self.on.store(plan.is_some(), Ordering::Release);
    }

    /// The faults of an attempt that begins.
    pub(crate) fn begin_attempt(&self) -> Option<FaultStream> {
        if !self.on.load(Ordering::Acquire) {
            return None;
        }
        let mut plan = self.plan.lock();
        let Plan { faults, attempts } = plan.as_mut()?;
        *attempts += 1;
        let state = mix(faults.seed ^ mix(*attempts));
        Some(FaultStream { faults: Arc::clone(faults), state, too_old: false })
    }
}

/// What becomes of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitFate {
    /// It is tried and answered truthfully.
    Honest,
    /// It is tried; success is answered with 1021.
    Hidden,
    /// It is not tried, and answered with this code.
    Refused(i32),
}

/// The faults of one attempt, drawn as they are asked for.
#[derive(Debug)]
pub(crate) struct FaultStream {
    faults: Arc<Faults>,
    state: u64,
    too_old: bool,
}

impl FaultStream {
    /// # Errors
    /// 1007, also for everything after it.
    pub(crate) fn check_read(&mut self) -> Result<()> {
        self.too_old |= self.fraction() < self.faults.too_old_reads;
        if self.too_old { Err(Error::new(code::TRANSACTION_TOO_OLD)) } else { Ok(()) }
    }

    pub(crate) fn read_delay(&mut self) -> Option<Duration> {
        self.delay(self.faults.late_reads)
    }

    pub(crate) fn commit_delay(&mut self) -> Option<Duration> {
        self.delay(self.faults.late_commits)
    }

    pub(crate) fn commit_fate(&mut self) -> CommitFate {
        let (roll, is_made) = (self.fraction(), self.fraction() < 0.5);
        let Faults { not_committed, unknown_result, too_old_commits, .. } = *self.faults;
        if self.too_old || roll < too_old_commits {
            CommitFate::Refused(code::TRANSACTION_TOO_OLD)
        } else if roll < too_old_commits + not_committed {
            CommitFate::Refused(code::NOT_COMMITTED)
        } else if roll >= too_old_commits + not_committed + unknown_result {
            CommitFate::Honest
        } else if is_made {
            CommitFate::Hidden
        } else {
            CommitFate::Refused(code::COMMIT_UNKNOWN_RESULT)
        }
    }

    fn delay(&mut self, rate: f64) -> Option<Duration> {
        let (is_late, part) = (self.fraction() < rate, self.fraction());
        is_late.then(|| self.faults.max_delay.mul_f64(part))
    }

    /// A number in [0, 1).
    fn fraction(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (mix(self.state) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// The output function of splitmix64.
fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_named_and_refuses_the_rest() {
        let read: Faults =
            "seed=7  not_committed=0.25 late_reads=1 max_delay_ms=20".parse().unwrap();
        let max_delay = Duration::from_millis(20);
        let wanted = Faults {
            seed: 7,
            not_committed: 0.25,
            late_reads: 1.0,
            max_delay,
            ..Faults::default()
        };
        assert_eq!(read, wanted);
        assert_eq!("".parse(), Ok(Faults::default()));
        for bad in
            ["seed", "seed=-1", "late_reads=1.1", "late_reads=NaN", "max_delay_ms=1001", "x=1"]
        {
            assert_eq!(
                bad.parse::<Faults>().unwrap_err().code,
                code::INVALID_OPTION_VALUE,
                "{bad}"
            );
        }
    }

    #[test]
    fn draws_every_fate_as_often_as_wanted() {
        let mode = FaultMode::new(Some(
            "seed=1 not_committed=0.2 unknown_result=0.2 too_old_commits=0.1".parse().unwrap(),
        ));
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..10_000 {
            let fate = mode.begin_attempt().unwrap().commit_fate();
            *counts.entry(format!("{fate:?}")).or_insert(0) += 1;
        }
        let wanted = [
            ("Hidden", 1000),
            ("Honest", 5000),
            ("Refused(1007)", 1000),
            ("Refused(1020)", 2000),
            ("Refused(1021)", 1000),
        ];
        assert_eq!(counts.len(), wanted.len());
        for (fate, count) in wanted {
            assert!(i32::abs(counts[fate] - count) < count / 5, "{fate}: {}", counts[fate]);
        }
    }
}
