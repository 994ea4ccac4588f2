//! What a store finds after its process was killed at any moment, several times in a row. The
//! recorder of `test/support/powerloss` kills it in the middle of a system call.
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
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use durability::{
    Answers, LATER, Order, STORE, check, commit_later, options, run_clients, scratch,
};
use kronotop_kv::Store;
use kronotop_powerloss::{KILL, PRELOAD, ROOT, Random, library};
use support::{for_seeds, rounds};

const COMMITS: u32 = 240;

const WORKER_DIR: &str = "KRONOTOP_KV_WORKER_DIR";
const WORKER_SEED: &str = "KRONOTOP_KV_WORKER_SEED";
const WORKER_FIRST: &str = "KRONOTOP_KV_WORKER_FIRST";

/// The worker of the next test: commits and writes down the answers until it is killed, or done.
#[test]
fn worker_commits_until_killed() {
    let Some(dir) = std::env::var_os(WORKER_DIR) else { return };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let (seed, first) = (number(WORKER_SEED), number(WORKER_FIRST) as u32);
    let options = options(&mut Random::new(seed));
    let store = Store::open(&Path::new(&dir).join(STORE), options).unwrap();
    // One call a line: what the parent reads is whole but for the last line.
    let note = |line: &str| std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
    note("");
    run_clients(&store, seed, first..first + COMMITS, &note);
    store.close().unwrap();
}

/// How a worker dies.
#[derive(Debug)]
enum Death {
    /// In the n-th call that changes or flushes something.
    InCall(String),
    After(Duration),
}

impl Death {
    fn random(random: &mut Random) -> Self {
        if random.percent(20) {
            return Self::After(Duration::from_micros(random.below(120_000) as u64));
        }
        let bound = [30, 100, 250][random.below(3)];
        let moment = ["before", "during", "after"][random.below(3)];
        Self::InCall(format!("{} {moment}", 1 + random.below(bound)))
    }
}

/// Runs a worker to its end; takes in its answers. True when it was killed.
fn run_worker(dir: &Path, seed: u64, first: u32, death: &Death, answers: &mut Answers) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "worker_commits_until_killed", "--nocapture"])
        .env(WORKER_DIR, dir)
        .env(WORKER_SEED, seed.to_string())
        .env(WORKER_FIRST, first.to_string())
        .env(PRELOAD, library().unwrap())
        .env(ROOT, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match death {
        Death::InCall(call) => command.env(KILL, call),
        Death::After(_) => command.env(KILL, "0 after"),
    };
    let mut worker = command.spawn().unwrap();
    if let Death::After(delay) = death {
        // The delay is the random moment: there is no event to wait for.
        std::thread::sleep(*delay);
        worker.kill().unwrap();
    }
    let mut output = String::new();
    worker.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let ended = worker.wait_with_output().unwrap();
    let was_killed = ended.status.signal() == Some(9);
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert!(was_killed || ended.status.success(), "the worker failed: {stderr}");
    let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().for_each(|line| answers.read(line));
    was_killed
}

/// Opens the store as the next process would, looks, and goes on with it. What was found before
/// must be the beginning of it.
fn verify(
    dir: &Path,
    seed: u64,
    generation: u32,
    answers: &mut Answers,
    before: &Order,
) -> Result<Order, String> {
    let options = options(&mut Random::new(seed));
    let store = Store::open(&dir.join(STORE), options)
        .map_err(|error| format!("it does not open: {error}"))?;
    let mut found = check(&store, seed, answers)?;
    if !found.starts_with(before) {
        return Err("something else was found before".to_owned());
    }
    let id = LATER + generation;
    let version = commit_later(&store, seed, id, &found)?;
    answers.committed.insert(id, version);
    found.push((version, id));
    store.close().map_err(|error| error.to_string())?;
    Ok(found)
}

/// What the rounds came to.
#[derive(Debug, Default)]
struct Figures {
    workers: Cell<usize>,
    killed: Cell<usize>,
    commits_answered: Cell<usize>,
    commits_found: Cell<usize>,
}

fn count(figure: &Cell<usize>, more: usize) {
    figure.set(figure.get() + more);
}

fn run_round(seed: u64, figures: &Figures) {
    let dir = scratch();
    let path = dir.path().canonicalize().unwrap();
    let mut random = Random::new(seed);
    let (mut answers, mut found) = (Answers::default(), Order::new());
    let mut deaths = Vec::new();
    let generations = 2 + random.below(3) as u32;
    for generation in 0..generations {
        let death = Death::random(&mut random);
        let killed = run_worker(&path, seed, generation * COMMITS, &death, &mut answers);
        count(&figures.workers, 1);
        count(&figures.killed, usize::from(killed));
        deaths.push(death);
        // Else the next worker finds what this one left, and may be killed while it recovers.
        if generation + 1 == generations || random.percent(40) {
            match verify(&path, seed, generation, &mut answers, &found) {
                Ok(order) => found = order,
                Err(error) => panic!("{:?}, after {deaths:?}: {error}", dir.keep()),
            }
        }
    }
    count(&figures.commits_answered, answers.committed.len());
    count(&figures.commits_found, found.len());
}

#[test]
fn acknowledged_commits_survive_a_kill_at_any_moment() {
    if library().is_none() {
        println!("SKIPPED kills in the middle of a call: the recorder needs a 64-bit Linux");
        return;
    }
    let (started, figures) = (Instant::now(), Figures::default());
    for_seeds(rounds(20, 500), |seed| run_round(seed, &figures));
    println!("{figures:?} in {:?}", started.elapsed());
    assert!(figures.commits_answered.get() > 0, "nothing was committed");
}
