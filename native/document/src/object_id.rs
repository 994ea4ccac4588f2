//! Generation of ObjectIds.
//!
//! ```text
//! 0..4 seconds since 1970, big-endian | 4..9 random, one draw a generator | 9..12 counter,
//! big-endian
//! ```

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const COUNTER_BITS: u32 = 24;

/// Gives ObjectIds in strictly ascending order, also while the clock stands still or steps back.
#[derive(Debug)]
pub struct ObjectIdGenerator {
    random: [u8; 5],
    /// Seconds and counter of the last id, as one number: a full counter carries into the seconds.
    last: AtomicU64,
}

impl ObjectIdGenerator {
    /// A generator with its own random part, seeded by the operating system.
    pub fn new() -> ObjectIdGenerator {
        let [a, b, c, d, e, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
        ObjectIdGenerator { random: [a, b, c, d, e], last: AtomicU64::new(0) }
    }

    /// The next id, greater than every id that this generator gave before.
    pub fn next_id(&self) -> [u8; 12] {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        self.next_at(now as u32)
    }

    /// The next id at the time `seconds`, as the clock tells it.
    fn next_at(&self, seconds: u32) -> [u8; 12] {
        let earliest = u64::from(seconds) << COUNTER_BITS;
        let after = |last: u64| earliest.max(last + 1);
        let mut last = self.last.load(Ordering::Relaxed);
        while let Err(changed) =
            self.last.compare_exchange_weak(last, after(last), Ordering::Relaxed, Ordering::Relaxed)
        {
            last = changed;
        }
        let [_, s0, s1, s2, s3, c0, c1, c2] = after(last).to_be_bytes();
        let [a, b, c, d, e] = self.random;
        [s0, s1, s2, s3, a, b, c, d, e, c0, c1, c2]
    }
}

impl Default for ObjectIdGenerator {
    fn default() -> ObjectIdGenerator {
        ObjectIdGenerator::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_while_the_clock_stands_or_steps_back() {
        let generator = ObjectIdGenerator::new();
        let clock = [100, 100, 100, 50, 99, 101, 101, 3, 102];
        let ids: Vec<_> = clock.iter().map(|&seconds| generator.next_at(seconds)).collect();
        assert!(ids.is_sorted_by(|left, right| left < right), "{ids:?}");
        assert_eq!(&ids[8][..4], 102_u32.to_be_bytes());
    }

    #[test]
    fn a_full_counter_carries_into_the_seconds() {
        let generator = ObjectIdGenerator::new();
        generator.last.store((7 << COUNTER_BITS) | 0xff_ffff, Ordering::Relaxed);
        let id = generator.next_at(7);
        assert_eq!((&id[..4], &id[9..]), (&[0, 0, 0, 8][..], &[0, 0, 0][..]));
    }

    #[test]
    fn threads_never_share_an_id() {
        let generator = ObjectIdGenerator::new();
        let mut ids = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).map(|_| generator.next_id()).collect::<Vec<_>>()))
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4000);
    }
}
