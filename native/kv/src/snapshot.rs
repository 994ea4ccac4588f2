//! The committed state at one version: the tree under the committed writes not yet applied to it.

use std::sync::Arc;

use crate::error::{Error, Result, code};
use crate::keys::VERSION_WINDOW;
use crate::merge::{Merge, Source, Walk};
use crate::overlay::Overlay;
use crate::pending::Pending;
use crate::readers::Reader;
use crate::shared::Shared;
use crate::write_map::{Lookup, NEWEST, WriteMap};

/// The layers over one state of the tree.
///
/// INVARIANT: the tree holds all commits up to some version, `frozen` the ones after it up to the
/// freeze, `active` the later ones.
#[derive(Debug, Clone)]
pub(crate) struct Layers {
    pub(crate) active: Arc<Overlay>,
    /// On its way into the tree.
    pub(crate) frozen: Option<Arc<Overlay>>,
    /// How often the tree has been applied to.
    pub(crate) generation: u64,
}

/// See the module's header.
#[derive(Debug)]
pub(crate) struct Snapshot {
    shared: Arc<Shared>,
    version: i64,
    layers: Arc<Layers>,
    reader: Arc<Reader>,
    pooled: bool,
}

impl Snapshot {
    /// The newest visible state.
    ///
    /// # Errors
    /// 1037 when too many snapshots are open, 1101 when the store is closed.
    pub(crate) fn newest(shared: &Arc<Shared>) -> Result<Self> {
        shared.check_open()?;
        shared.advance_when_idle();
        // ORDER: the applier changes the layers after the tree. While they are locked, the tree
        // holds at most what `frozen` holds too, and the version covers all of that.
        let current = shared.layers.read();
        let version = shared.newest_version();
        let layers = Arc::clone(&current);
        let reader = shared.readers.lend(&shared.tree, layers.generation)?;
        drop(current);
        Ok(Self { shared: Arc::clone(shared), version, layers, reader, pooled: true })
    }

    /// The state at an earlier version.
    ///
    /// # Errors
    /// As for [`Snapshot::newest`]; 1007 when the state is gone, 1009 when it is still to come.
    pub(crate) fn at(shared: &Arc<Shared>, version: i64) -> Result<Self> {
        let mut snapshot = Self::newest(shared)?;
        if version > snapshot.version {
            return Err(Error::new(code::FUTURE_VERSION));
        }
        if version < shared.recovered_version {
            return Err(Error::new(code::TRANSACTION_TOO_OLD));
        }
        let applied = {
            let txn = snapshot.reader.txn()?;
            shared.tree.applied_version(&txn)?
        };
        snapshot.version = version;
        if applied <= version {
            return Ok(snapshot);
        }
        let past = shared.history.find(version).ok_or(Error::new(code::TRANSACTION_TOO_OLD))?;
        Ok(Self {
            shared: Arc::clone(shared),
            version,
            layers: past.layers,
            reader: past.reader,
            pooled: false,
        })
    }

    /// Everything in the layers, also what is not visible yet: for the committer alone.
    ///
    /// # Errors
    /// As for [`Snapshot::newest`].
    pub(crate) fn unpublished(shared: &Arc<Shared>) -> Result<Self> {
        let mut snapshot = Self::newest(shared)?;
        snapshot.version = NEWEST;
        Ok(snapshot)
    }

    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    pub(crate) fn reign(&self) -> i64 {
        self.shared.reign
    }

    /// # Errors
    /// 1007 when the state is older than reads may be.
    pub(crate) fn check_age(&self) -> Result<()> {
        if self.shared.clock.now() - self.version > VERSION_WINDOW {
            return Err(Error::new(code::TRANSACTION_TOO_OLD));
        }
        Ok(())
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        for overlay in
            [Some(&self.layers.active), self.layers.frozen.as_ref()].into_iter().flatten()
        {
            if !overlay.may_know(key) {
                continue;
            }
            match overlay.read().lookup(key, self.version) {
                Lookup::Entry(value) => return Ok(value.as_ref().map(|value| value.to_vec())),
                Lookup::Cleared => return Ok(None),
                Lookup::Missing => {}
            }
        }
        let txn = self.reader.txn()?;
        Ok(self.shared.tree.get(&txn, key)?.map(<[u8]>::to_vec))
    }

    /// Runs `read` over the pairs of a walk, with a transaction's writes on top.
    /// Commits wait meanwhile: `read` must be short.
    pub(crate) fn with_pairs<R>(
        &self,
        walk: Walk<'_>,
        own: Option<&WriteMap<Pending>>,
        read: impl FnOnce(&mut dyn Source) -> Result<R>,
    ) -> Result<R> {
        let walk = Walk { at: self.version, ..walk };
        let active = self.layers.active.read();
        let frozen = self.layers.frozen.as_ref().map(|overlay| overlay.read());
        let txn = self.reader.txn()?;
        let tree = self.shared.tree.cursor(&txn, walk)?;
        let with_frozen = Merge::new(frozen.as_deref(), tree, walk)?;
        let committed = Merge::new(Some(&*active), with_frozen, walk)?;
        let mut pairs = Merge::new(own, committed, Walk { at: NEWEST, ..walk })?;
        read(&mut pairs)
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.pooled {
            self.shared.readers.give_back(Arc::clone(&self.reader));
        }
    }
}
