//! The socket's place in the file system.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Name of the owner's socket in the store's directory.
pub(crate) const SOCKET_NAME: &str = "socket";

/// Longest path that a socket address holds on every system that this runs on.
const PATH_LIMIT: usize = 100;

/// Listens in `dir`, in place of an owner that is gone.
pub(crate) fn listen(dir: &Path) -> io::Result<UnixListener> {
    remove(dir)?;
    let listener = with_short_path(dir, |path| UnixListener::bind(path))?;
    fs::set_permissions(dir.join(SOCKET_NAME), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the owner of the store in `dir`.
pub(crate) fn connect(dir: &Path) -> io::Result<UnixStream> {
    with_short_path(dir, |path| UnixStream::connect(path))
}

/// Removes the socket, if there is one.
pub(crate) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(dir.join(SOCKET_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Calls `use_path` with a path of the socket that fits into an address: a long one goes through
/// the open directory.
fn with_short_path<T>(dir: &Path, use_path: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = dir.join(SOCKET_NAME);
    if path.as_os_str().as_bytes().len() <= PATH_LIMIT {
        return use_path(&path);
    }
    let open = File::open(dir)?;
    use_path(&PathBuf::from(format!("/proc/self/fd/{}/{SOCKET_NAME}", open.as_raw_fd())))
}
