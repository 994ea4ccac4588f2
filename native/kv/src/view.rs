//! The committed state at one version, wherever its owner is.

use crate::error::Result;
use crate::merge::{Source, Walk};
use crate::peers::{PageSize, RemoteView};
use crate::pending::Pending;
use crate::snapshot::Snapshot;
use crate::write_map::WriteMap;

/// See the module's header.
#[derive(Debug)]
pub(crate) enum View {
    /// In this process.
    Here(Snapshot),
    /// In the process that owns the store.
    There(RemoteView),
}

impl View {
    pub(crate) fn version(&self) -> i64 {
        match self {
            Self::Here(snapshot) => snapshot.version(),
            Self::There(view) => view.version,
        }
    }

    /// Which owner's state this is.
    pub(crate) fn reign(&self) -> i64 {
        match self {
            Self::Here(snapshot) => snapshot.reign(),
            Self::There(view) => view.link.reign,
        }
    }

    /// # Errors
    /// 1007 when the state is older than reads may be. Elsewhere every read finds that out.
    pub(crate) fn check_age(&self) -> Result<()> {
        match self {
            Self::Here(snapshot) => snapshot.check_age(),
            Self::There(_) => Ok(()),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Here(snapshot) => snapshot.get(key),
            Self::There(view) => view.get(key),
        }
    }

    /// Runs `read` over the pairs in `[begin, end)`, with a transaction's writes on top. `page`
    /// says how much of them it will take. Commits wait meanwhile: `read` must be short.
    pub(crate) fn with_pairs<R>(
        &self,
        walk: Walk<'_>,
        page: PageSize,
        own: Option<&WriteMap<Pending>>,
        read: impl FnOnce(&mut dyn Source) -> Result<R>,
    ) -> Result<R> {
        match self {
            Self::Here(snapshot) => snapshot.with_pairs(walk, own, read),
            Self::There(view) => view.with_pairs(walk, page, own, read),
        }
    }
}
