//! Durable commits: how many a second, how many flushes, how many bytes.

use std::cell::OnceCell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use kronotop_kv::Options;

use crate::figures::{Figures, Samples, micros};
use crate::fixture::Fixture;
use crate::io::Written;
use crate::writer::{IN_FLIGHT, WRITES, Writer};

/// Transactions of one measured step.
const STEP: u64 = 100 * IN_FLIGHT as u64;

/// Flushes of which the cheapest and the median are taken.
const FLUSHES: usize = 200;

pub(crate) fn bench(criterion: &mut Criterion, fixture: &Fixture, figures: &Figures) {
    let name = format!("{IN_FLIGHT} concurrent durable commits of {WRITES} random writes");
    bench_writer(criterion, fixture, figures, (&name, fixture.writer()));
    let name = format!("{IN_FLIGHT} concurrent durable commits of {WRITES} new keys");
    let writer = Writer::above(fixture.scale.keys);
    if bench_writer(criterion, fixture, figures, (&name, writer)) {
        let (best, median) = flush_cost(fixture);
        let note = "(20,000 tx/s is asked for at 200–500 µs)";
        figures.add("one fdatasync of 4 KiB, alone", micros(best), micros(median), note);
    }
}

/// False when the row was not asked for.
fn bench_writer(
    criterion: &mut Criterion,
    fixture: &Fixture,
    figures: &Figures,
    (name, mut writer): (&str, Writer),
) -> bool {
    let samples = Samples::default();
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20).measurement_time(Duration::from_secs(15));
    group.throughput(Throughput::Elements(STEP));
    let opened = OnceCell::new();
    let mut total = 0;
    // Criterion calls this several times, and not at all when the row is not asked for.
    group.bench_function(name, |bencher| {
        let (store, _) = opened.get_or_init(|| fixture.open(Options::default()));
        bencher.iter_custom(|steps| {
            let started = Instant::now();
            writer.commit(store, steps * STEP);
            let took = started.elapsed();
            total += steps * STEP;
            samples.add(took, steps * STEP);
            took
        });
    });
    group.finish();
    let Some((best, median)) = samples.summary() else { return false };
    let per_second = |seconds: f64| format!("{:.0} tx/s", 1.0 / seconds);
    figures.add(name, per_second(best), per_second(median), "≥ 20,000 tx/s");
    if let Some((store, counters)) = opened.into_inner() {
        report(figures, counters.now(), total);
        store.close().unwrap();
    }
    true
}

fn report(figures: &Figures, written: Written, commits: u64) {
    let (flushes, groups) = (written.flushes as f64, written.writes as f64);
    let commits = commits as f64;
    figures.add_one("  flushes a group", format!("{:.3}", flushes / groups), "1");
    figures.add_one("  transactions a group", format!("{:.1}", commits / groups), "");
    let bytes = written.bytes as f64 / commits;
    figures.add_one("  bytes written a transaction", format!("{bytes:.0} B"), "≤ 1,500 B");
    let flush = written.flush_nanos as f64 / 1e9 / flushes;
    figures.add_one("  one fdatasync meanwhile, mean", micros(flush), "");
}

/// Best and median seconds of writing 4 KiB over old bytes and making them durable.
fn flush_cost(fixture: &Fixture) -> (f64, f64) {
    let path = fixture.dir().join("flush");
    let file = File::create(&path).unwrap();
    file.write_all_at(&vec![1; 4096 * FLUSHES], 0).unwrap();
    file.sync_all().unwrap();
    let mut times: Vec<f64> = (0..FLUSHES)
        .map(|block| {
            let started = Instant::now();
            file.write_all_at(&[2; 4096], block as u64 * 4096).unwrap();
            file.sync_data().unwrap();
            started.elapsed().as_secs_f64()
        })
        .collect();
    std::fs::remove_file(path).unwrap();
    times.sort_by(f64::total_cmp);
    (times.first().copied().unwrap(), times.get(FLUSHES / 2).copied().unwrap())
}
