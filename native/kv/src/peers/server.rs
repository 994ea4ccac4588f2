//! The owner's end: serves the followers of its store.
//!
//! A thread per connection reads and answers requests; what is answered later, by the log thread,
//! goes through a thread that writes: a follower that does not read must not hold up a commit.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use super::commits::{self, CommitParts};
use super::link::end;
use super::wire::{COMMIT, Frame, PROTOCOL, RangeRequest, Reply, Request, malformed, receive};
use super::{PageSize, socket};
use crate::committer::CommitRequest;
use crate::error::{Error, Result, code};
use crate::keys::Key;
use crate::merge::Walk;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::threads::spawn;
use crate::types::RangeResult;
use crate::watches::{PendingWatch, WatchCell};

/// How long a closing owner waits for followers to read their last answers.
const LINGER: Duration = Duration::from_secs(1);

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Server {
    hub: Arc<Hub>,
    listener: UnixListener,
    accepting: JoinHandle<()>,
}

/// What the connections of one owner share.
#[derive(Debug)]
struct Hub {
    dir: PathBuf,
    shared: Arc<Shared>,
    open: Mutex<Open>,
    closed_one: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    last_id: u64,
    streams: HashMap<u64, UnixStream>,
    stopping: bool,
}

/// A random number for a new owner.
pub(crate) fn new_reign() -> i64 {
    RandomState::new().hash_one(std::process::id()).cast_signed()
}

impl Server {
    /// Starts to serve the store in `dir`.
    pub(crate) fn start(dir: &Path, shared: &Arc<Shared>) -> Result<Self> {
        let listener = socket::listen(dir).map_err(|error| failed(dir, &error))?;
        let (dir, shared) = (dir.to_path_buf(), Arc::clone(shared));
        let hub = Hub { dir, shared, open: Mutex::default(), closed_one: Condvar::new() };
        let hub = Arc::new(hub);
        let accepting = {
            let hub = Arc::clone(&hub);
            let listener = listener.try_clone().map_err(|error| failed(&hub.dir, &error))?;
            spawn("kv-accept", move || hub.accept(&listener))?
        };
        Ok(Self { hub, listener, accepting })
    }

    /// Takes no more requests. Those that came are still answered.
    pub(crate) fn stop(&self) -> Result<()> {
        let mut open = self.hub.open.lock();
        open.stopping = true;
        for stream in open.streams.values() {
            // It fails when the follower has gone.
            let _ = stream.shutdown(Shutdown::Read);
        }
        drop(open);
        // Wakes the thread that accepts.
        let woken = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        let removed = socket::remove(&self.hub.dir);
        woken.map_err(io::Error::from).and(removed).map_err(|error| failed(&self.hub.dir, &error))
    }

    /// Waits until all is answered and the connections have ended.
    pub(crate) fn finish(self) {
        // A thread that panicked has nothing left to wait for.
        let _ = self.accepting.join();
        let deadline = Instant::now() + LINGER;
        let mut open = self.hub.open.lock();
        while !open.streams.is_empty() {
            if self.hub.closed_one.wait_until(&mut open, deadline).timed_out() {
                open.streams.values().for_each(end);
                self.hub.closed_one.wait(&mut open);
            }
        }
    }
}

fn failed(dir: &Path, error: &io::Error) -> Error {
    Error::io(dir.join(socket::SOCKET_NAME).display(), error)
}

impl Hub {
    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        for stream in listener.incoming() {
            if self.open.lock().stopping {
                return;
            }
            // One that failed was given up by the follower, or too many files are open: then the
            // next one may find room.
            let Ok(stream) = stream else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            let hub = Arc::clone(self);
            // Without a thread the follower finds its connection ended.
            drop(spawn("kv-serve", move || hub.serve(stream)));
        }
    }

    fn serve(self: Arc<Self>, stream: UnixStream) {
        let Ok(copy) = stream.try_clone() else { return };
        let mut open = self.open.lock();
        if open.stopping {
            return;
        }
        open.last_id += 1;
        let id = open.last_id;
        open.streams.insert(id, copy);
        drop(open);
        if let Ok(mut connection) = Connection::new(&self.shared, stream) {
            // However it ends, the follower is told by the end of the connection.
            let _ = connection.run();
            connection.finish();
        }
        self.open.lock().streams.remove(&id);
        self.closed_one.notify_all();
    }
}

/// The watches that a follower has set, by its numbers.
type Watched = Arc<Mutex<HashMap<i64, (Key, Arc<WatchCell>)>>>;

struct Connection {
    shared: Arc<Shared>,
    incoming: BufReader<UnixStream>,
    watched: Watched,
    /// Frames that are sent by the thread that writes; both start with the first of them.
    later: Option<(Sender<Frame>, JoinHandle<()>)>,
}

impl Connection {
    fn new(shared: &Arc<Shared>, stream: UnixStream) -> io::Result<Self> {
        let (shared, incoming) = (Arc::clone(shared), BufReader::new(stream));
        Ok(Self { shared, incoming, watched: Watched::default(), later: None })
    }

    /// Answers requests until the follower or the owner ends the connection.
    fn run(&mut self) -> io::Result<()> {
        let mut frame = Vec::new();
        while receive(&mut self.incoming, &mut frame)? {
            if frame.first() == Some(&COMMIT) {
                let (id, parts) = commits::decode(&frame).ok_or_else(malformed)?;
                self.commit(id, parts)?;
            } else {
                self.answer(Request::decode(&frame).ok_or_else(malformed)?)?;
            }
            // One large commit must not hold its memory for ever.
            frame.shrink_to(1 << 20);
        }
        Ok(())
    }

    fn answer(&mut self, request: Request<'_>) -> io::Result<()> {
        let reply = match request {
            Request::Hello { .. } => {
                Reply::Welcome { protocol: PROTOCOL, reign: self.shared.reign }.encode()
            }
            Request::ReadVersion => {
                let version = Snapshot::newest(&self.shared).map(|newest| newest.version());
                Reply::Outcome(version.map_err(passed_on)).encode()
            }
            Request::Get { version, key } => {
                match self.snapshot(version).and_then(|snapshot| snapshot.get(key)) {
                    Ok(value) => Reply::Value(value.as_deref()).encode(),
                    Err(error) => Reply::Outcome(Err(passed_on(error))).encode(),
                }
            }
            Request::Range(range) => match self.page(range) {
                Ok(page) => Reply::Pairs { more: page.more, data: &page.data }.encode(),
                Err(error) => Reply::Outcome(Err(passed_on(error))).encode(),
            },
            Request::Watch { id, key, expected } => return self.watch(id, key, expected),
            Request::Unwatch { id } => {
                self.unwatch(id);
                return Ok(());
            }
        };
        Ok(reply.send(self.incoming.get_ref())?)
    }

    fn snapshot(&self, version: i64) -> Result<Snapshot> {
        let snapshot = Snapshot::at(&self.shared, version)?;
        snapshot.check_age()?;
        Ok(snapshot)
    }

    fn page(&self, range: RangeRequest<'_>) -> Result<RangeResult> {
        let RangeRequest { version, begin, end, reverse, pairs, bytes } = range;
        // Commits wait while a page is read.
        let bytes = bytes.min(PageSize::LARGEST.bytes);
        let mut page = RangeResult::default();
        let snapshot = self.snapshot(version)?;
        let walk = Walk { begin, end: end.max(begin), reverse, at: version };
        snapshot.with_pairs(walk, None, |walk| {
            while let Some((key, value)) = walk.current() {
                if page.count > 0 && (page.count >= pairs || page.data.len() >= bytes) {
                    page.more = true;
                    return Ok(());
                }
                page.push(key, value);
                walk.advance()?;
            }
            Ok(())
        })?;
        Ok(page)
    }

    fn commit(&mut self, id: i64, parts: CommitParts) -> io::Result<()> {
        let later = self.later()?;
        let on_done = move |outcome: Result<crate::Committed>| {
            let outcome = outcome.map(|committed| committed.version).map_err(passed_on);
            // Nobody is left to tell when the thread that writes has ended.
            let _ = later.send(Reply::Committed { id, outcome }.encode());
        };
        let CommitParts { read_version, read_conflicts, write_conflicts, writes, stamped_keys } =
            parts;
        self.shared.submit(CommitRequest {
            read_version,
            read_conflicts,
            write_conflicts,
            writes,
            stamped_keys,
            watches: Vec::new(),
            committed: Arc::new(AtomicI64::new(0)),
            hidden: false,
            on_done: Box::new(on_done),
        });
        Ok(())
    }

    fn watch(&mut self, id: i64, key: &[u8], expected: Option<&[u8]>) -> io::Result<()> {
        // A follower may send one twice when it has just found this owner.
        if self.watched.lock().contains_key(&id) {
            return Ok(());
        }
        let (later, watched) = (self.later()?, Arc::clone(&self.watched));
        let on_fire = move |outcome: Result<()>| {
            let set = watched.lock().remove(&id);
            // The owner closes: the follower takes its watches to the next one.
            let closes = outcome.as_ref().is_err_and(|e| e.code == code::OPERATION_CANCELLED);
            if set.is_some() && !closes {
                // As in `commit`.
                let _ = later.send(Reply::Fired { id, outcome: outcome.map(|()| 0) }.encode());
            }
        };
        let cell = Arc::new(WatchCell::new(Box::new(on_fire)));
        self.watched.lock().insert(id, (key.into(), Arc::clone(&cell)));
        let (key, expected) = (key.into(), expected.map(Key::from));
        self.shared.activate_watches(vec![PendingWatch { key, expected, cell, _slot: None }]);
        Ok(())
    }

    fn unwatch(&self, id: i64) {
        let set = self.watched.lock().remove(&id);
        if let Some((key, cell)) = set {
            self.shared.watches.remove(&key, &cell);
        }
    }

    /// Where to put frames that are sent later.
    fn later(&mut self) -> io::Result<Sender<Frame>> {
        if let Some((later, _)) = &self.later {
            return Ok(later.clone());
        }
        let stream = self.incoming.get_ref().try_clone()?;
        let (later, frames) = channel();
        let writing = spawn("kv-answer", move || write(&stream, &frames));
        let writing = writing.map_err(|error| io::Error::other(error.to_string()))?;
        self.later = Some((later.clone(), writing));
        Ok(later)
    }

    /// Lets the answers that are still to come be sent, then ends.
    fn finish(self) {
        let watched = std::mem::take(&mut *self.watched.lock());
        for (key, cell) in watched.into_values() {
            self.shared.watches.remove(&key, &cell);
        }
        if let Some((later, writing)) = self.later {
            drop(later);
            // A thread that panicked has nothing left to wait for.
            let _ = writing.join();
        }
    }
}

/// An error as a follower is told of it: that this owner closes is no end of the store.
fn passed_on(error: Error) -> Error {
    match error.code {
        code::OPERATION_CANCELLED => Error::new(code::TRANSACTION_TOO_OLD),
        _ => error,
    }
}

fn write(stream: &UnixStream, frames: &Receiver<Frame>) {
    for frame in frames {
        if frame.send(stream).is_err() {
            // The thread that reads finds the end, too.
            return end(stream);
        }
    }
}
