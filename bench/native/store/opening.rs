//! Opening a store whose process was killed (SIGKILL) with commits in the log only.
//!
//! A child process, this program again, opens the store so that nothing moves to the tree, commits
//! until the log has the wanted length, says so, and is killed while it goes on committing.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::Criterion;
use kronotop_kv::{Options, Store};

use crate::figures::{Figures, Samples};
use crate::fixture::{Fixture, kept_in_overlay};
use crate::io::{Counters, CountingIo};
use crate::writer::Writer;

const CHILD: &str = "--write-until-killed";

/// What the child process is to do.
#[derive(Debug)]
pub(crate) struct Wanted {
    dir: PathBuf,
    keys: usize,
    log_bytes: u64,
}

/// The orders of a child process; `None` in the parent.
pub(crate) fn child_of(args: &[String]) -> Option<Wanted> {
    let [_, flag, dir, keys, log_bytes] = args else { return None };
    let (keys, log_bytes) = (keys.parse().ok()?, log_bytes.parse().ok()?);
    (flag == CHILD).then(|| Wanted { dir: dir.into(), keys, log_bytes })
}

/// The child process.
pub(crate) fn write_until_killed(wanted: &Wanted) -> ! {
    let counters = Arc::<Counters>::default();
    let io = Arc::new(CountingIo(Arc::clone(&counters)));
    let store = Store::open(&wanted.dir, Options { io, ..kept_in_overlay() }).unwrap();
    let mut writer = Writer::new(wanted.keys);
    while counters.now().bytes < wanted.log_bytes {
        writer.start(&store);
    }
    writer.finish();
    println!("written");
    loop {
        writer.start(&store);
        writer.finish();
    }
}

pub(crate) fn bench(criterion: &mut Criterion, fixture: &Fixture, figures: &Figures) {
    let samples = Samples::default();
    let mut group = criterion.benchmark_group("open");
    // Each opening needs a process that writes and is killed: one is all that a sample has.
    group.sample_size(10).warm_up_time(Duration::from_millis(1));
    group.measurement_time(Duration::from_millis(10));
    group.bench_function("after SIGKILL", |bencher| {
        bencher.iter_custom(|count| {
            let took = (0..count).map(|_| open_once(fixture)).sum();
            samples.add(took, count);
            took
        });
    });
    group.finish();
    if let Some((best, median)) = samples.summary() {
        let mib = fixture.scale.log_bytes as f64 / f64::from(1 << 20);
        let name = format!("open after SIGKILL with {mib:.1} MiB of log");
        figures.add(&name, format!("{best:.2} s"), format!("{median:.2} s"), "≤ 1.5 s");
    }
}

fn open_once(fixture: &Fixture) -> Duration {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg(CHILD)
        .arg(fixture.dir())
        .args([fixture.scale.keys.to_string(), fixture.scale.log_bytes.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "written\n");
    child.kill().unwrap();
    child.wait().unwrap();
    let started = Instant::now();
    let store = Store::open(fixture.dir(), Options::default()).unwrap();
    let took = started.elapsed();
    store.close().unwrap();
    took
}
