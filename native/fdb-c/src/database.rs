//! Databases: which store a cluster-file argument names, and how databases of one process share it.
//!
//! The databases that a process opens on one directory share one `Store`, so that they need not go
//! through a socket; it is closed when the last database and the last transaction of it are gone.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kronotop_kv::error::code;
use kronotop_kv::{Error, Options, Store};
use parking_lot::Mutex;

use crate::errors::NO_CLUSTER_FILE_FOUND;
use crate::options::OptionValue;

struct Open {
    store: Store,
    leases: usize,
}

/// The open stores by canonical directory. The lock is held while a store opens or closes, so that
/// an opener never meets a store of this process that is half closed.
static STORES: Mutex<Option<HashMap<PathBuf, Open>>> = Mutex::new(None);

/// A share of an open store.
pub struct Lease {
    directory: PathBuf,
    pub store: Store,
}

impl Lease {
    fn take(directory: PathBuf) -> Result<Self, Error> {
        let mut stores = STORES.lock();
        let stores = stores.get_or_insert_default();
        if let Some(open) = stores.get_mut(&directory) {
            open.leases += 1;
            return Ok(Self { directory, store: open.store.clone() });
        }
        let store = Store::open(&directory, Options::default())?;
        stores.insert(directory.clone(), Open { store: store.clone(), leases: 1 });
        Ok(Self { directory, store })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut stores = STORES.lock();
        let Some(stores) = stores.as_mut() else { return };
        let Some(open) = stores.get_mut(&self.directory) else { return };
        open.leases -= 1;
        if open.leases > 0 {
            return;
        }
        stores.remove(&self.directory);
        if let Err(error) = self.store.close() {
            // There is no caller to answer; acknowledged commits are in the log already.
            eprintln!("libfdb_c: closing {}: {error}", self.directory.display());
        }
    }
}

/// What the C API calls a database.
pub struct Database {
    pub lease: Arc<Lease>,
    /// The lease's store, with this database's own limit of watches.
    pub store: Store,
    /// Transaction options that every new transaction starts with.
    pub defaults: Mutex<Vec<(i32, OptionValue)>>,
}

impl Database {
    /// Opens the store that a cluster-file argument names; `None` means `FDB_CLUSTER_FILE`.
    pub fn open(argument: Option<PathBuf>) -> Result<Self, Error> {
        let named = argument.filter(|path| !path.as_os_str().is_empty());
        let path = named.or_else(|| std::env::var_os("FDB_CLUSTER_FILE").map(PathBuf::from));
        let Some(path) = path else {
            return Err(Error::with_message(
                NO_CLUSTER_FILE_FOUND,
                "no directory given and FDB_CLUSTER_FILE is not set",
            ));
        };
        let lease = Arc::new(Lease::take(embedded_directory(&path)?)?);
        let store = lease.store.with_own_watches();
        Ok(Self { lease, store, defaults: Mutex::new(Vec::new()) })
    }

    /// Sets the store's faults from their text; `None` ends them.
    pub fn set_faults(&self, text: Option<&[u8]>) -> Result<(), Error> {
        let invalid = |_| Error::new(code::INVALID_OPTION_VALUE);
        let text = text.map(|text| str::from_utf8(text).map_err(invalid)).transpose()?;
        self.store.set_faults(text.map(str::parse).transpose()?);
        Ok(())
    }
}

/// The canonical form of a directory that names an embedded store.
fn embedded_directory(path: &Path) -> Result<PathBuf, Error> {
    let canonical = path.canonicalize().map_err(|error| {
        Error::with_message(
            NO_CLUSTER_FILE_FOUND,
            format!("the store directory {} cannot be opened: {error}", path.display()),
        )
    })?;
    if canonical.is_dir() {
        return Ok(canonical);
    }
    Err(Error::with_message(
        code::UNSUPPORTED_OPERATION,
        format!(
            "{} is a cluster file, which needs the libfdb_c of a FoundationDB installation; this \
             library opens directories that hold an embedded store",
            path.display()
        ),
    ))
}
