//! Threads for reads that take long: exact ranges of many bytes, and walks over a whole range.
//! Everything else is answered on the caller's thread, which is faster than handing it over.

use std::collections::VecDeque;
use std::thread;

use parking_lot::{Condvar, Mutex};

type Job = Box<dyn FnOnce() + Send>;

/// Most threads; they start when there is work for them and then stay.
const THREAD_LIMIT: usize = 2;

struct Pool {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
}

static POOL: Mutex<Pool> = Mutex::new(Pool { jobs: VecDeque::new(), threads: 0, idle: 0 });
static WORK: Condvar = Condvar::new();

/// Runs `job` on a reader thread, after the jobs before it; here when no thread can be started.
pub fn run(job: Job) {
    let mut pool = POOL.lock();
    if pool.idle <= pool.jobs.len() && pool.threads < THREAD_LIMIT {
        let started = thread::Builder::new().name("fdb-read".to_owned()).spawn(work);
        pool.threads += usize::from(started.is_ok());
    }
    if pool.threads == 0 {
        drop(pool);
        return job();
    }
    pool.jobs.push_back(job);
    WORK.notify_one();
}

fn work() {
    let mut pool = POOL.lock();
    loop {
        match pool.jobs.pop_front() {
            Some(job) => parking_lot::MutexGuard::unlocked(&mut pool, job),
            None => {
                pool.idle += 1;
                WORK.wait(&mut pool);
                pool.idle -= 1;
            }
        }
    }
}
