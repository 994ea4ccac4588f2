//! What the transactions of one process share, whichever process owns the store.
//!
//! ```text
//!            lock free                       lock taken
//! open ───▶ Owner ◀── the lock is free ── Seeking ◀────▶ Follower
//!                                           │    the owner is gone
//!                                           ▼
//!                                        Failed: tries again
//! ```
//!
//! ORDER: `watches` before `role`. A watch is put into `watches` first and then told to the owner
//! of that moment; a new role is set first and then told of all that is in `watches`. Whichever is
//! second sees the other.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::committer::CommitRequest;
use crate::error::{Error, Result, code};
use crate::faults::FaultMode;
use crate::late::LateAnswers;
use crate::options::Options;
use crate::owner::{Lock, Owner};
use crate::peers::{Fired, Incoming, Link, RemoteView};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::threads::spawn;
use crate::view::View;
use crate::watches::{FollowedWatches, PendingWatch, WatchCell};

/// How often a store that has an owner without a socket is looked at again.
const SEEK_INTERVAL: Duration = Duration::from_millis(5);

/// How long a process waits that could not take a store over, before it tries again.
const FAILED_INTERVAL: Duration = Duration::from_secs(1);

/// This process's part in the store.
#[derive(Debug, Clone)]
enum Role {
    Owner(Arc<Shared>),
    Follower(Arc<Link>),
    /// The last owner is gone and the next one not found.
    Seeking,
    /// As `Seeking`; and why this process could not become the owner.
    Failed(Error),
    Closed,
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Client {
    dir: PathBuf,
    options: Options,
    role: Mutex<Role>,
    role_changed: Condvar,
    /// The watches that an owner elsewhere looks after.
    watches: FollowedWatches,
    pub(crate) faults: FaultMode,
    pub(crate) late: Arc<LateAnswers>,
    random: AtomicU64,
    owner: Mutex<Option<Owner>>,
    following: Mutex<Option<JoinHandle<()>>>,
}

/// What was found in a store's directory.
enum Found {
    Owner(Owner),
    Follower(Link, Incoming),
    /// The store has an owner that does not serve, or not yet; and what was tried last.
    Busy(io::Error),
}

impl Client {
    /// Opens the store in `dir`, as its owner or through its owner.
    ///
    /// # Errors
    /// Those of [`Owner::open`]; 1510 when the owner does not answer.
    pub(crate) fn open(dir: PathBuf, options: Options) -> Result<Arc<Self>> {
        let deadline = Instant::now() + options.owner_patience;
        let found = loop {
            match seek(&dir, &options)? {
                Found::Busy(error) if Instant::now() > deadline => {
                    let dir = dir.display();
                    let what = format!("cannot reach the process that owns the store in {dir}");
                    return Err(Error::io(what, &error));
                }
                Found::Busy(_) => thread::sleep(SEEK_INTERVAL),
                found => break found,
            }
        };
        let client = Arc::new(Self {
            faults: FaultMode::new(options.faults.clone()),
            dir,
            options,
            role: Mutex::new(Role::Seeking),
            role_changed: Condvar::new(),
            watches: FollowedWatches::default(),
            late: Arc::default(),
            random: AtomicU64::new(RandomState::new().hash_one(std::process::id())),
            owner: Mutex::default(),
            following: Mutex::default(),
        });
        match found {
            Found::Owner(owner) => client.become_owner(owner),
            Found::Follower(link, incoming) => {
                let link = client.become_follower(link);
                let following = Arc::clone(&client);
                let thread = spawn("kv-follow", move || following.follow(link, incoming))?;
                *client.following.lock() = Some(thread);
            }
            Found::Busy(_) => {}
        }
        Ok(client)
    }

    /// The newest visible state. While the store has no owner, waits until `deadline` for one.
    ///
    /// # Errors
    /// 1031 at the deadline, 1037 when too many snapshots are open, 1101 when the store is closed,
    /// 1510 and 1522 when this process should have become the owner and could not.
    pub(crate) fn newest(&self, deadline: Option<Instant>) -> Result<View> {
        let mut lost = None;
        loop {
            match self.role_other_than(lost.as_ref(), deadline)? {
                Role::Owner(shared) => return Ok(View::Here(Snapshot::newest(&shared)?)),
                Role::Follower(link) => match link.read_version() {
                    Some(version) => {
                        return Ok(View::There(RemoteView { link, version: version? }));
                    }
                    None => lost = Some(link),
                },
                Role::Failed(error) => return Err(error),
                Role::Seeking | Role::Closed => return Err(closed()),
            }
        }
    }

    /// The state at an earlier version.
    ///
    /// # Errors
    /// As for [`Client::newest`]; 1007 when the state is gone, 1009 when it is still to come: in a
    /// follower these come with the first read.
    pub(crate) fn at(&self, version: i64, deadline: Option<Instant>) -> Result<View> {
        match self.role_other_than(None, deadline)? {
            Role::Owner(shared) => Ok(View::Here(Snapshot::at(&shared, version)?)),
            Role::Follower(link) => Ok(View::There(RemoteView { link, version })),
            Role::Failed(error) => Err(error),
            Role::Seeking | Role::Closed => Err(closed()),
        }
    }

    /// The role, once it is a settled one and not that of a follower of the owner that is `lost`.
    fn role_other_than(&self, lost: Option<&Arc<Link>>, deadline: Option<Instant>) -> Result<Role> {
        let mut role = self.role.lock();
        loop {
            let unsettled = match &*role {
                Role::Seeking => true,
                Role::Follower(link) => lost.is_some_and(|lost| Arc::ptr_eq(lost, link)),
                Role::Owner(_) | Role::Failed(_) | Role::Closed => false,
            };
            if !unsettled {
                return Ok(role.clone());
            }
            match deadline {
                None => self.role_changed.wait(&mut role),
                Some(deadline) => {
                    if self.role_changed.wait_until(&mut role, deadline).timed_out() {
                        return Err(Error::new(code::TRANSACTION_TIMED_OUT));
                    }
                }
            }
        }
    }

    /// True while the store has no owner: then reads wait for one.
    pub(crate) fn is_seeking(&self) -> bool {
        matches!(*self.role.lock(), Role::Seeking)
    }

    /// A version at or before the newest one, known without asking.
    pub(crate) fn known_version(&self) -> i64 {
        match &*self.role.lock() {
            Role::Owner(shared) => shared.newest_version(),
            Role::Follower(link) => link.seen_version(),
            Role::Seeking | Role::Failed(_) | Role::Closed => 0,
        }
    }

    /// Hands a commit to the owner. `reign` is the one in which the transaction read, if it did:
    /// in another one it is answered 1007.
    pub(crate) fn submit(&self, request: CommitRequest, reign: Option<i64>) {
        let role = self.role.lock().clone();
        let too_old = Error::new(code::TRANSACTION_TOO_OLD);
        match role {
            Role::Owner(shared) if reign.is_none_or(|reign| reign == shared.reign) => {
                shared.submit(request);
            }
            Role::Follower(link) if reign.is_none_or(|reign| reign == link.reign) => {
                link.submit(request);
            }
            // Nothing was sent, and the next owner would not know what conflicts.
            Role::Owner(_) | Role::Follower(_) | Role::Seeking => request.fail(&too_old),
            Role::Failed(error) => request.fail(&error),
            Role::Closed => request.fail(&closed()),
        }
    }

    /// Sets the watches of a committed transaction.
    pub(crate) fn activate_watches(&self, watches: Vec<PendingWatch>) {
        if watches.is_empty() {
            return;
        }
        let role = self.role.lock().clone();
        if let Role::Owner(shared) = role {
            return shared.activate_watches(watches);
        }
        let ids = self.watches.insert(watches);
        let role = self.role.lock().clone();
        match role {
            Role::Follower(link) => self.watches.tell(&link, &ids),
            Role::Owner(shared) => shared.activate_watches(self.watches.take_all()),
            Role::Closed => self.watches.end_all(&closed()),
            Role::Seeking | Role::Failed(_) => {}
        }
    }

    /// Forgets a watch whose call was made.
    pub(crate) fn forget_watch(&self, key: &[u8], cell: &Arc<WatchCell>) {
        let id = self.watches.remove(cell);
        let role = self.role.lock().clone();
        match (role, id) {
            (Role::Owner(shared), _) => shared.watches.remove(key, cell),
            (Role::Follower(link), Some(id)) => link.unwatch(id),
            _ => {}
        }
    }

    /// A number in [0, 1) for back-off: xorshift, good enough to spread retries.
    pub(crate) fn random_fraction(&self) -> f64 {
        let mut state = self.random.load(Ordering::Relaxed) | 1;
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.random.store(state, Ordering::Relaxed);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn become_owner(&self, owner: Owner) {
        let shared = Arc::clone(owner.shared());
        if !self.set_role(Role::Owner(Arc::clone(&shared))) {
            // Closed meanwhile; what there is to recover is recovered, so nothing is lost.
            drop(owner.close());
            return;
        }
        *self.owner.lock() = Some(owner);
        shared.activate_watches(self.watches.take_all());
    }

    fn become_follower(&self, link: Link) -> Arc<Link> {
        let link = Arc::new(link);
        if self.set_role(Role::Follower(Arc::clone(&link))) {
            self.watches.tell_all(&link);
        } else {
            link.close();
        }
        link
    }

    /// Returns false, and changes nothing, when the store is closed.
    fn set_role(&self, new: Role) -> bool {
        let mut role = self.role.lock();
        if matches!(*role, Role::Closed) {
            return false;
        }
        *role = new;
        self.role_changed.notify_all();
        true
    }

    /// Follows one owner after the other, until the store is closed or this process is the owner.
    fn follow(&self, mut link: Arc<Link>, mut incoming: Incoming) {
        loop {
            let activate = |watches| self.activate_watches(watches);
            let fired = |Fired { id, outcome }| self.watches.fire(id, outcome);
            link.run(incoming, activate, fired);
            if !self.set_role(Role::Seeking) {
                return;
            }
            match self.seek_next() {
                Some(Found::Follower(next, from_it)) => {
                    link = self.become_follower(next);
                    incoming = from_it;
                }
                Some(Found::Owner(owner)) => return self.become_owner(owner),
                Some(Found::Busy(_)) | None => return,
            }
        }
    }

    /// The next owner, or the right to be it; `None` when the store is closed meanwhile.
    fn seek_next(&self) -> Option<Found> {
        loop {
            let pause = match seek(&self.dir, &self.options) {
                Ok(Found::Busy(_)) => SEEK_INTERVAL,
                Ok(found) => return Some(found),
                Err(error) => {
                    self.set_role(Role::Failed(error));
                    FAILED_INTERVAL
                }
            };
            let mut role = self.role.lock();
            if !matches!(*role, Role::Closed) {
                self.role_changed.wait_for(&mut role, pause);
            }
            if matches!(*role, Role::Closed) {
                return None;
            }
        }
    }

    /// See [`crate::Store::close`].
    pub(crate) fn close(&self) -> Result<()> {
        let role = std::mem::replace(&mut *self.role.lock(), Role::Closed);
        self.role_changed.notify_all();
        if let Role::Follower(link) = role {
            link.close();
        }
        let here = thread::current().id();
        let following = self.following.lock().take();
        if let Some(following) = following.filter(|following| following.thread().id() != here)
            && following.join().is_err()
        {
            return Err(Error::with_message(code::OPERATION_FAILED, "a store thread failed"));
        }
        let owner = self.owner.lock().take();
        let closed_owner = owner.map_or(Ok(()), Owner::close);
        // ORDER: the last commits' answers may be late ones.
        if let Some(thread) = self.late.stop() {
            // Its answers were given, or it panicked in a caller's function, which said so.
            let _ = thread.join();
        }
        self.watches.end_all(&closed());
        closed_owner
    }

    /// True when `close` must not be called on this thread, because it would wait for itself.
    pub(crate) fn runs_on(&self, thread: thread::ThreadId) -> bool {
        self.owner.lock().as_ref().is_some_and(|owner| owner.runs_on(thread))
            || self.following.lock().as_ref().is_some_and(|own| own.thread().id() == thread)
    }
}

fn closed() -> Error {
    Error::new(code::OPERATION_CANCELLED)
}

/// Takes the store's lock, or else connects to who has it.
fn seek(dir: &std::path::Path, options: &Options) -> Result<Found> {
    if let Some(lock) = Lock::try_take(dir)? {
        return Ok(Found::Owner(Owner::open(dir, options.clone(), lock)?));
    }
    match Link::open(dir) {
        Ok((link, incoming)) => Ok(Found::Follower(link, incoming)),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Err(Error::io(format!("cannot use the store in {}", dir.display()), &error))
        }
        Err(error) => Ok(Found::Busy(error)),
    }
}
