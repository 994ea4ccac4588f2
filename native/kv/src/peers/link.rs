//! A follower's connections to one owner.

use std::collections::HashMap;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::wire::{Frame, PROTOCOL, RangeRequest, Reply, Request, Unsent, malformed, receive};
use super::{commits, socket};
use crate::committer::{CommitRequest, Waiting};
use crate::error::{Error, Result, code};
use crate::types::Committed;
use crate::watches::PendingWatch;

/// How long an owner may take to say hello: it is stopped, or starved, when it takes longer.
const HELLO_PATIENCE: Duration = Duration::from_secs(2);

/// A connection on which every request is answered before the next one.
#[derive(Debug)]
struct Call {
    stream: BufReader<UnixStream>,
    reply: Vec<u8>,
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Link {
    dir: PathBuf,
    /// The owner's reign.
    pub(crate) reign: i64,
    /// Free connections for reads.
    calls: Mutex<Vec<Call>>,
    /// Commits and watches go out here; what comes in is read by `run`.
    outgoing: Mutex<UnixStream>,
    waiting: Mutex<WaitingCommits>,
    none_waits: Condvar,
    /// The newest version that the owner told of.
    seen: AtomicI64,
}

#[derive(Debug, Default)]
struct WaitingCommits {
    last_id: i64,
    by_id: HashMap<i64, Waiting>,
    /// The owner is gone: nothing more may be sent.
    ended: bool,
}

/// The incoming half of a link.
pub(crate) struct Incoming(Call);

/// What an owner tells a follower.
pub(crate) struct Fired {
    pub(crate) id: u64,
    pub(crate) outcome: Result<()>,
}

impl Call {
    /// Connects and says hello; returns the owner's reign.
    fn open(dir: &Path) -> io::Result<(Self, i64)> {
        let stream = BufReader::new(socket::connect(dir)?);
        stream.get_ref().set_read_timeout(Some(HELLO_PATIENCE))?;
        let mut call = Self { stream, reply: Vec::new() };
        let reign = match call.ask(&Request::Hello { protocol: PROTOCOL })? {
            Reply::Welcome { protocol: PROTOCOL, reign } => reign,
            Reply::Welcome { .. } => {
                let text = "it is open in a process of another version of this program";
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
            _ => return Err(malformed()),
        };
        call.stream.get_ref().set_read_timeout(None)?;
        Ok((call, reign))
    }

    fn ask(&mut self, request: &Request<'_>) -> io::Result<Reply<'_>> {
        request.encode().send(self.stream.get_ref())?;
        if !receive(&mut self.stream, &mut self.reply)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Reply::decode(&self.reply).ok_or_else(malformed)
    }
}

impl Link {
    /// Connects to the owner of the store in `dir`.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Incoming)> {
        let (call, reign) = Call::open(dir)?;
        let link = Self {
            dir: dir.to_path_buf(),
            reign,
            calls: Mutex::default(),
            outgoing: Mutex::new(call.stream.get_ref().try_clone()?),
            waiting: Mutex::default(),
            none_waits: Condvar::new(),
            seen: AtomicI64::new(0),
        };
        Ok((link, Incoming(call)))
    }

    /// The newest version of the store, or `None` when the owner is gone.
    pub(crate) fn read_version(&self) -> Option<Result<i64>> {
        let version = self.call(&Request::ReadVersion, |reply| match reply {
            Reply::Outcome(outcome) => Some(outcome),
            _ => None,
        });
        let version = version.ok()?;
        if let Ok(version) = &version {
            self.seen.fetch_max(*version, Ordering::Relaxed);
        }
        Some(version)
    }

    /// A version at or before the newest one.
    pub(crate) fn seen_version(&self) -> i64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The value of a key at a version.
    ///
    /// # Errors
    /// The owner's; 1007 when it is gone.
    pub(crate) fn get(&self, version: i64, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = self.call(&Request::Get { version, key }, |reply| match reply {
            Reply::Value(value) => Some(Ok(value.map(<[u8]>::to_vec))),
            Reply::Outcome(Err(error)) => Some(Err(error)),
            _ => None,
        });
        value.map_err(|_| Error::new(code::TRANSACTION_TOO_OLD))?
    }

    /// Puts a page of a range into `page`, packed; returns whether the range holds more.
    ///
    /// # Errors
    /// As for [`Link::get`].
    pub(crate) fn page(&self, request: RangeRequest<'_>, page: &mut Vec<u8>) -> Result<bool> {
        page.clear();
        let more = self.call(&Request::Range(request), |reply| match reply {
            Reply::Pairs { more, data } => {
                page.extend_from_slice(data);
                Some(Ok(more))
            }
            Reply::Outcome(Err(error)) => Some(Err(error)),
            _ => None,
        });
        more.map_err(|_| Error::new(code::TRANSACTION_TOO_OLD))?
    }

    /// Asks on a connection of its own and waits for the answer, which `take` looks at.
    fn call<T>(
        &self,
        request: &Request<'_>,
        take: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> io::Result<T> {
        if self.waiting.lock().ended {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let free = self.calls.lock().pop();
        let mut call = match free {
            Some(call) => call,
            None => match Call::open(&self.dir)? {
                (call, reign) if reign == self.reign => call,
                // Another process owns the store by now.
                _ => return Err(io::ErrorKind::ConnectionReset.into()),
            },
        };
        let answer = take(call.ask(request)?).ok_or_else(malformed)?;
        self.calls.lock().push(call);
        Ok(answer)
    }

    /// Hands a commit over. When the owner is gone already it is answered 1007: it was not made.
    pub(crate) fn submit(&self, request: CommitRequest) {
        let mut waiting = self.waiting.lock();
        if waiting.ended {
            drop(waiting);
            return request.fail(&Error::new(code::TRANSACTION_TOO_OLD));
        }
        waiting.last_id += 1;
        let id = waiting.last_id;
        let frame = commits::encode(id, &request);
        waiting.by_id.insert(id, request.into_waiting());
        drop(waiting);
        if self.send(frame).is_err_and(|unsent| unsent.whole) {
            let commit = self.waiting.lock().by_id.remove(&id);
            if let Some(commit) = commit {
                commit.fail(&Error::new(code::TRANSACTION_TOO_OLD));
            }
        }
    }

    /// Has the owner tell when the value of a watched key is no longer the expected one.
    pub(crate) fn watch(&self, id: u64, key: &[u8], expected: Option<&[u8]>) {
        let id = id.cast_signed();
        // Unsent, it is told to the next owner.
        let _ = self.send(Request::Watch { id, key, expected }.encode());
    }

    /// Takes a watch back.
    pub(crate) fn unwatch(&self, id: u64) {
        let id = id.cast_signed();
        // The next owner is not told of it.
        let _ = self.send(Request::Unwatch { id }.encode());
    }

    fn send(&self, frame: Frame) -> std::result::Result<(), Unsent> {
        let stream = self.outgoing.lock();
        // With the stream ended, `run` answers everything that waits.
        frame.send(&stream).inspect_err(|_| end(&stream))
    }

    /// Passes the owner's messages on until it is gone: outcomes of commits to who waits for them,
    /// watches to `on_fired`, the watches of commits to `activate`. What then still waits may have
    /// been committed.
    pub(crate) fn run(
        &self,
        incoming: Incoming,
        activate: impl Fn(Vec<PendingWatch>),
        on_fired: impl Fn(Fired),
    ) {
        let Incoming(mut call) = incoming;
        while let Ok(true) = receive(&mut call.stream, &mut call.reply) {
            match Reply::decode(&call.reply) {
                Some(Reply::Committed { id, outcome }) => self.answer(id, outcome, &activate),
                Some(Reply::Fired { id, outcome }) => {
                    let (id, outcome) = (id.cast_unsigned(), outcome.map(drop));
                    on_fired(Fired { id, outcome });
                }
                _ => break,
            }
        }
        // ORDER: the owner hears no more from here before anyone is told that it is gone.
        end(&self.outgoing.lock());
        let mut waiting = self.waiting.lock();
        waiting.ended = true;
        let left = std::mem::take(&mut waiting.by_id);
        self.none_waits.notify_all();
        drop(waiting);
        for commit in left.into_values() {
            commit.fail(&Error::new(code::COMMIT_UNKNOWN_RESULT));
        }
    }

    fn answer(&self, id: i64, outcome: Result<i64>, activate: impl Fn(Vec<PendingWatch>)) {
        let mut waiting = self.waiting.lock();
        let commit = waiting.by_id.remove(&id);
        if waiting.by_id.is_empty() {
            self.none_waits.notify_all();
        }
        drop(waiting);
        let Some(commit) = commit else { return };
        match outcome {
            Ok(version) => {
                self.seen.fetch_max(version, Ordering::Relaxed);
                commit.succeed(Committed { version }, activate);
            }
            Err(error) => commit.fail(&error),
        }
    }

    /// Waits until no commit waits any more, then ends the connections.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        while !waiting.by_id.is_empty() {
            self.none_waits.wait(&mut waiting);
        }
        waiting.ended = true;
        drop(waiting);
        end(&self.outgoing.lock());
        self.calls.lock().clear();
    }
}

/// Ends both directions of a stream.
pub(super) fn end(stream: &UnixStream) {
    // It fails when the other end has ended it already.
    let _ = stream.shutdown(Shutdown::Both);
}
