//! Point reads and ranges of 100: of the tree, through an overlay, beside a writer.

use std::cell::OnceCell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use kronotop_kv::{KeySelector, Options, RangeOptions, Store};

use crate::figures::{Figures, Samples};
use crate::fixture::{Fixture, Random, kept_in_overlay, key};
use crate::io::Counters;
use crate::writer::BackgroundWriter;

/// Pairs of a range.
const RANGE: usize = 100;

/// Reads of one transaction.
const READS_OF_TRANSACTION: usize = 1_000;

/// Transactions that fill the overlay.
const OVERLAY_COMMITS: u64 = 20_000;

/// Long enough for the writer's commits to move to the tree several times.
const BESIDE_WRITER: Duration = Duration::from_secs(15);

/// One kind of read.
#[derive(Clone, Copy)]
struct Read {
    name: &'static str,
    goal: &'static str,
    run: fn(&Store, usize, &mut Random, u64),
}

const READS: [Read; 2] = [
    Read { name: "point read", goal: "≤ 1.5 µs", run: points },
    Read { name: "range of 100", goal: "≤ 12 µs", run: ranges },
];

pub(crate) fn bench(criterion: &mut Criterion, fixture: &Fixture, figures: &Figures) {
    for read in READS {
        let alone = of_tree(criterion, fixture, read);
        let goal = read.goal;
        figures.add_micros(&format!("{} of {} keys", read.name, fixture.scale.keys), &alone, goal);
        let layered = through_overlay(criterion, fixture, read);
        figures.add_micros(&format!("{} through an overlay", read.name), &layered, goal);
        let beside = beside_writer(criterion, fixture, read, figures);
        if let (Some((_, alone)), Some((_, beside))) = (alone.summary(), beside.summary()) {
            figures.add_one("  times the read alone", format!("{:.2}", beside / alone), "≤ 3");
        }
    }
}

fn of_tree(criterion: &mut Criterion, fixture: &Fixture, read: Read) -> Samples {
    let samples = Samples::default();
    let opened = OnceCell::new();
    let mut random = Random(2);
    let mut group = criterion.benchmark_group("read");
    // Criterion calls this several times, and not at all when the row is not asked for.
    group.bench_function(read.name, |bencher| {
        let (store, _) = opened.get_or_init(|| fixture.open(Options::default()));
        bencher.iter_custom(|count| time(store, fixture, read, &mut random, count, &samples));
    });
    group.finish();
    close(opened.into_inner());
    samples
}

fn through_overlay(criterion: &mut Criterion, fixture: &Fixture, read: Read) -> Samples {
    let samples = Samples::default();
    let opened = OnceCell::new();
    let open = || {
        let (store, counters) = fixture.open(kept_in_overlay());
        fixture.writer().commit(&store, OVERLAY_COMMITS.min(fixture.scale.keys as u64));
        (store, counters)
    };
    let mut random = Random(3);
    let mut group = criterion.benchmark_group("read");
    group.bench_function(format!("{} through an overlay", read.name), |bencher| {
        let (store, _) = opened.get_or_init(open);
        bencher.iter_custom(|count| time(store, fixture, read, &mut random, count, &samples));
    });
    group.finish();
    close(opened.into_inner());
    samples
}

fn beside_writer(
    criterion: &mut Criterion,
    fixture: &Fixture,
    read: Read,
    figures: &Figures,
) -> Samples {
    let samples = Samples::default();
    let opened = OnceCell::new();
    let open = || {
        let (store, counters) = fixture.open(Options::default());
        let writing = BackgroundWriter::start(&store, fixture.writer());
        (store, counters, writing)
    };
    let mut random = Random(4);
    let name = format!("{} beside a writer", read.name);
    let mut group = criterion.benchmark_group("read");
    group.sample_size(30).measurement_time(BESIDE_WRITER);
    group.bench_function(&name, |bencher| {
        let (store, ..) = opened.get_or_init(open);
        bencher.iter_custom(|count| time(store, fixture, read, &mut random, count, &samples));
    });
    group.finish();
    figures.add_micros(&format!("{name} at full speed"), &samples, "");
    if let Some((store, counters, writing)) = opened.into_inner() {
        figures.add_one("  of that writer", format!("{:.0} tx/s", writing.stop()), "");
        close(Some((store, counters)));
    }
    samples
}

fn close(opened: Option<(Store, Arc<Counters>)>) {
    if let Some((store, _)) = opened {
        store.close().unwrap();
    }
}

fn time(
    store: &Store,
    fixture: &Fixture,
    read: Read,
    random: &mut Random,
    count: u64,
    samples: &Samples,
) -> Duration {
    let started = Instant::now();
    (read.run)(store, fixture.scale.keys, random, count);
    let took = started.elapsed();
    samples.add(took, count);
    took
}

fn points(store: &Store, keys: usize, random: &mut Random, count: u64) {
    let mut name = key(0);
    for done in (0..count).step_by(READS_OF_TRANSACTION) {
        let mut tx = store.transaction();
        for _ in 0..(count - done).min(READS_OF_TRANSACTION as u64) {
            number_into(&mut name, random.below(keys));
            let value = tx.get(&name, false).unwrap();
            assert!(black_box(value).is_some());
        }
    }
}

fn ranges(store: &Store, keys: usize, random: &mut Random, count: u64) {
    let options = RangeOptions { limit: RANGE, ..RangeOptions::default() };
    let end = KeySelector::first_greater_or_equal("key0");
    for done in (0..count).step_by(READS_OF_TRANSACTION) {
        let mut tx = store.transaction();
        for _ in 0..(count - done).min(READS_OF_TRANSACTION as u64) {
            let begin = KeySelector::first_greater_or_equal(key(random.below(keys - RANGE)));
            let range = tx.get_range(&begin, &end, &options).unwrap();
            assert_eq!(black_box(range).count, RANGE);
        }
    }
}

/// Writes a number's digits over the last ten of a key: cheaper than making the key.
fn number_into(name: &mut [u8], number: usize) {
    let mut left = number;
    for digit in name.iter_mut().rev().take(10) {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
}
