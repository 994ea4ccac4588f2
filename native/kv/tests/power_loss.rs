//! What a store finds after the power went, at any moment of its life.
//!
//! `test/support/powerloss` says what that may leave on disk.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod durability;
mod support;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use durability::{
    Answers, LATER, Order, STORE, check, commit_later, options, run_clients, scratch,
};
use kronotop_kv::{Options, Store};
use kronotop_powerloss::{Cut, PRELOAD, Random, Recording, Snapshot, Trace, library};
use support::{for_seeds, rounds};

const IMAGES: usize = 18;

/// Images of the recovery of an image.
const IMAGES_OF_RECOVERY: usize = 4;

/// Written by the kernel whenever it likes, because LMDB maps it. LMDB makes it anew when nobody
/// has the tree open, so that anything may be in it.
const READER_TABLE: &str = "data/store/tree/lock.mdb";

/// Set in the process under the recorder.
const UNDER_RECORDER: &str = "KRONOTOP_KV_UNDER_RECORDER";

type Checked<T> = Result<T, String>;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// One history of a store, recorded.
struct History {
    seed: u64,
    options: Options,
    trace: Trace,
    /// All commits, in serial order.
    order: Order,
}

impl History {
    /// Opens, loads and closes a store for each number of commits, below `at.root`.
    fn record(seed: u64, options: Options, loads: &[u32], at: &Places) -> Self {
        let (root, trace) = (&at.root, &at.trace);
        let recording = Arc::new(Recording::start(root, trace).unwrap());
        let mut first = 0;
        for commits in loads {
            let store = Store::open(&root.join(STORE), options.clone()).unwrap();
            let ids = first..first + commits;
            first = ids.end;
            let notes = Arc::clone(&recording);
            run_clients(&store, seed, ids, &move |line: &str| notes.note(line));
            store.close().unwrap();
        }
        let trace = finish(&recording, trace, &Snapshot::default(), root);
        let mut answers = Answers::default();
        trace.notes(trace.len()).for_each(|line| answers.read(line));
        Self { seed, options, trace, order: answers.order() }
    }

    fn open(&self, root: &Path) -> Checked<Store> {
        Store::open(&root.join(STORE), self.options.clone())
            .map_err(|error| format!("it does not open: {error}"))
    }

    /// What is found must be the first commits, among them all that were answered.
    fn check(&self, store: &Store, answers: &Answers) -> Checked<Order> {
        let found = check(store, self.seed, answers)?;
        let old: Order = found.iter().filter(|(_, id)| *id < LATER).copied().collect();
        if !self.order.starts_with(&old) {
            return Err("a commit is there, and one before it is not".to_owned());
        }
        Ok(found)
    }

    /// Opens an image, looks, goes on with it, and looks again. Returns what was found first.
    fn verify(&self, root: &Path, answers: &Answers, first_id: u32) -> Checked<Order> {
        let store = self.open(root)?;
        let found = self.check(&store, answers)?;
        let mut answers = answers.clone();
        for id in first_id..first_id + 2 {
            let version = commit_later(&store, self.seed, id, &found)?;
            answers.committed.insert(id, version);
        }
        store.close().map_err(text)?;
        drop(store);
        let store = self.open(root)?;
        let again = self.check(&store, &answers)?;
        let kept = again.len() == found.len() + 2 && again.starts_with(&found);
        store.close().map_err(text)?;
        if kept { Ok(found) } else { Err("the second opening found something else".to_owned()) }
    }

    /// As `verify`, but the recovery is recorded, and ends by a power loss of its own. What was
    /// found before that and acted upon must be found again.
    fn verify_twice(
        &self,
        first: &First,
        at: &Places,
        cuts: impl FnOnce(&Trace, usize) -> Vec<Cut>,
    ) -> Checked<()> {
        let base = Snapshot::read(&at.image).map_err(text)?;
        let recording = Recording::start(&at.image, &at.second_trace).map_err(text)?;
        let store = self.open(&at.image)?;
        recording.note(OPENED);
        let found = self.check(&store, &first.answers)?;
        for id in LATER..LATER + 3 {
            let version = commit_later(&store, self.seed, id, &found)?;
            recording.note(&format!("a {id} {version}"));
        }
        store.close().map_err(text)?;
        drop(store);
        let recovery = finish(&recording, &at.second_trace, &base, &at.image);
        let (trace, base, seam) = match first.killed_at {
            None => (recovery, base, 0),
            Some(moment) => {
                let trace = Trace::read_restarted(&at.trace, moment, &at.second_trace);
                (trace.map_err(text)?, Snapshot::default(), moment)
            }
        };
        for cut in cuts(&trace, seam) {
            let mut answers = Answers::default();
            trace.notes(cut.moment).for_each(|line| answers.read(line));
            answers.add(&first.answers);
            make_image(&trace, &base, &cut, &mut Random::new(self.seed), &at.second_image);
            let again = self.verify(&at.second_image, &answers, LATER + 10);
            let again = again.map_err(|error| format!("{error}; second {cut:?}"))?;
            let old = again.iter().filter(|(_, id)| *id < LATER).count();
            let was_opened = trace.notes(cut.moment).any(|line| line == OPENED);
            if old != found.len() && (was_opened || first.killed_at.is_none()) {
                return Err(format!("found {} commits, then {old}; second {cut:?}", found.len()));
            }
        }
        Ok(())
    }

    /// A power loss at one moment.
    fn verify_one(&self, cut: &Cut, at: &Places) -> Checked<()> {
        let answers = self.answers_before(cut.moment);
        let mut random = Random::new(cut.moment as u64);
        make_image(&self.trace, &Snapshot::default(), cut, &mut random, &at.image);
        let found = self.verify(&at.image, &answers, LATER);
        found.map(drop).map_err(|error| format!("{cut:?}: {error}"))
    }

    /// A kill at one moment, a restart, and a power loss as soon as the store is open again, or
    /// after a few commits.
    fn verify_restart(&self, moment: usize, at: &Places) -> Checked<()> {
        let killed = Cut::nothing_lost(moment);
        make_image(&self.trace, &Snapshot::default(), &killed, &mut Random::new(1), &at.image);
        let first = First { answers: self.answers_before(moment), killed_at: Some(moment) };
        let checked = self.verify_twice(&first, at, |trace, seam| {
            let is_open = |at: &usize| trace.notes(*at).any(|line| line == OPENED);
            let opened = (seam..=trace.len()).find(is_open).unwrap_or_default();
            Cut::plain(opened).into_iter().chain(Cut::plain(trace.len())).collect()
        });
        checked.map_err(|error| format!("killed at {moment}: {error}"))
    }

    fn answers_before(&self, moment: usize) -> Answers {
        let mut answers = Answers::default();
        self.trace.notes(moment).for_each(|line| answers.read(line));
        answers
    }

    /// Makes and checks one image: of a power loss, of one with another in the recovery, or of one
    /// in the recovery from a kill.
    fn verify_image(&self, cut: Cut, at: &Places, random: &mut Random) -> Checked<()> {
        let kind = random.below(10);
        let cut = if kind < 2 { Cut::nothing_lost(cut.moment) } else { cut };
        let answers = self.answers_before(cut.moment);
        make_image(&self.trace, &Snapshot::default(), &cut, random, &at.image);
        let checked = match kind {
            0..4 => {
                let killed_at = (kind < 2).then_some(cut.moment);
                let first = First { answers, killed_at };
                self.verify_twice(&first, at, |trace, seam| {
                    let cuts = 0..IMAGES_OF_RECOVERY;
                    cuts.map(|_| Cut::random(trace, seam, random)).collect()
                })
            }
            _ => self.verify(&at.image, &answers, LATER).map(drop),
        };
        checked.map_err(|error| format!("{cut:?}, kind {kind}: {error}"))
    }
}

/// What happened before a recovery that is recorded.
struct First {
    answers: Answers,
    /// The moment of a kill; else it was a power loss.
    killed_at: Option<usize>,
}

/// Note: the store is open, somebody may have seen what is in it.
const OPENED: &str = "opened";

/// Ends a recording. The image in which nothing is lost is the directory as it is: no call was
/// missed.
fn finish(recording: &Recording, trace: &Path, base: &Snapshot, root: &Path) -> Trace {
    recording.finish().unwrap();
    let trace = Trace::read(trace).unwrap();
    let mut replayed = trace.image(base, &Cut::nothing_lost(trace.len()), &mut Random::new(0));
    let mut real = Snapshot::read(root).unwrap();
    replayed.0.remove(READER_TABLE);
    real.0.remove(READER_TABLE);
    assert_eq!(replayed.difference(&real), None, "the recorder missed a call");
    trace
}

fn make_image(trace: &Trace, base: &Snapshot, cut: &Cut, random: &mut Random, root: &Path) {
    let mut image = trace.image(base, cut, random);
    if let Some(Some(table)) = image.0.get_mut(READER_TABLE)
        && random.percent(30)
    {
        for word in table.chunks_exact_mut(8) {
            word.copy_from_slice(&random.any().to_le_bytes());
        }
    }
    if root.exists() {
        std::fs::remove_dir_all(root).unwrap();
    }
    image.write(root).unwrap();
}

/// Where a round puts its directories and traces.
struct Places {
    root: PathBuf,
    trace: PathBuf,
    image: PathBuf,
    second_trace: PathBuf,
    second_image: PathBuf,
}

impl Places {
    fn below(dir: &Path) -> Self {
        let dir = dir.canonicalize().unwrap();
        let [root, trace, image, second_trace, second_image] =
            ["disk", "trace", "image", "second-trace", "second-image"].map(|name| dir.join(name));
        std::fs::create_dir(&root).unwrap();
        Self { root, trace, image, second_trace, second_image }
    }
}

/// What the rounds came to.
#[derive(Debug, Default)]
struct Figures {
    calls: Cell<usize>,
    changes_of_names: Cell<usize>,
    commits: Cell<usize>,
    images: Cell<usize>,
}

fn count(figure: &Cell<usize>, more: usize) {
    figure.set(figure.get() + more);
}

fn run_round(seed: u64, figures: &Figures) {
    let dir = scratch();
    let at = Places::below(dir.path());
    let mut random = Random::new(seed);
    let options = options(&mut random);
    let loads = 1 + random.below(3);
    let loads: Vec<u32> = (0..loads).map(|_| 30 + random.below(120) as u32).collect();
    let history = History::record(seed, options, &loads, &at);
    for image in 0..IMAGES {
        let cut = Cut::random(&history.trace, 0, &mut random);
        if let Err(error) = history.verify_image(cut, &at, &mut random) {
            panic!("image {image} of {}, in {:?}: {error}", history.trace.len(), dir.keep());
        }
    }
    assert!(!history.order.is_empty(), "nothing was committed");
    count(&figures.calls, history.trace.len());
    count(&figures.changes_of_names, history.trace.name_changes().len());
    count(&figures.commits, history.order.len());
    count(&figures.images, IMAGES);
}

/// The rounds, in the process that the next test starts.
#[test]
fn rounds_under_the_recorder() {
    if std::env::var_os(UNDER_RECORDER).is_none() {
        return;
    }
    let (started, figures) = (Instant::now(), Figures::default());
    for_seeds(rounds(20, 500), |seed| run_round(seed, &figures));
    println!("{figures:?} in {:?}", started.elapsed());
}

/// A small history: power losses at every moment, and after a restart from a kill at every moment.
#[test]
fn every_moment_under_the_recorder() {
    if std::env::var_os(UNDER_RECORDER).is_none() {
        return;
    }
    let dir = scratch();
    let at = Places::below(dir.path());
    let options = Options { overlay_bytes: 1 << 10, log_file_bytes: 4 << 10, ..support::small() };
    let history = History::record(1, options, &[24], &at);
    let has_applied = history.trace.writes_through().len() > 2;
    assert!(!history.order.is_empty() && has_applied, "the history is not worth it");
    let all_moments = 0..=history.trace.len();
    for moment in all_moments.clone() {
        for cut in Cut::plain(moment).into_iter().chain([Cut::torn(moment)]) {
            history.verify_one(&cut, &at).unwrap();
        }
        history.verify_restart(moment, &at).unwrap();
    }
    println!("{all_moments:?}");
}

#[test]
fn acknowledged_commits_survive_power_loss_at_any_moment() {
    run_under_recorder("rounds_under_the_recorder");
}

#[test]
fn acknowledged_commits_survive_power_loss_at_every_moment_of_a_small_history() {
    run_under_recorder("every_moment_under_the_recorder");
}

fn run_under_recorder(test: &str) {
    let Some(recorder) = library() else {
        println!("SKIPPED power loss: the recorder needs a 64-bit Linux");
        return;
    };
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(UNDER_RECORDER, "1")
        .env(PRELOAD, recorder)
        .output()
        .unwrap();
    let [stdout, stderr] = [ended.stdout, ended.stderr].map(|out| String::from_utf8(out).unwrap());
    // Not at the start of a line, where the counts of a run are looked for.
    stdout.lines().for_each(|line| println!("    {line}"));
    assert!(ended.status.success(), "{stderr}");
}
