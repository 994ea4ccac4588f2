//! Running a process under the recorder, and talking to it from inside.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The variable that takes [`library`] to put a process under the recorder.
pub const PRELOAD: &str = "LD_PRELOAD";

/// The variable that takes the directory which calls are counted below, an absolute path without
/// links.
pub const ROOT: &str = "POWERLOSS_ROOT";

/// The variable that takes `<n> <moment>`: the n-th call that changes or flushes something kills
/// its process `before` it has an effect, `during` it (a half of a write), or `after` it.
pub const KILL: &str = "POWERLOSS_KILL";

/// The recorder's file; `None` on systems that it was not made for.
#[must_use]
pub fn library() -> Option<&'static Path> {
    #[cfg(recorder)]
    return Some(Path::new(env!("POWERLOSS_RECORDER")));
    #[cfg(not(recorder))]
    None
}

type Start = unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
type Stop = unsafe extern "C" fn() -> c_int;
type Note = unsafe extern "C" fn(*const c_char, usize);

/// A trace that is being written, in a process under the recorder. One at a time; dropping it ends
/// it as well.
#[derive(Debug)]
pub struct Recording {
    stop: Stop,
    note: Note,
    is_finished: AtomicBool,
}

#[expect(unsafe_code, reason = "the recorder's functions are found by name")]
impl Recording {
    /// Records what this process does below `root`, an absolute path without links, into the file
    /// `trace`, which is not below it.
    ///
    /// # Errors
    /// When the process is not under the recorder, another trace is being written, or the file
    /// cannot be made.
    pub fn start(root: &Path, trace: &Path) -> io::Result<Self> {
        let paths = [root, trace].map(|path| CString::new(path.as_os_str().as_bytes()));
        let [root, trace] = paths;
        let (root, trace) = (root?, trace?);
        // SAFETY: the names and types are those of `recorder.cc`.
        let (start, stop, note) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Start>(find(c"powerloss_start")?),
                std::mem::transmute::<*mut c_void, Stop>(find(c"powerloss_stop")?),
                std::mem::transmute::<*mut c_void, Note>(find(c"powerloss_note")?),
            )
        };
        // SAFETY: both are strings with a zero byte at their end.
        match unsafe { start(root.as_ptr(), trace.as_ptr()) } {
            0 => Ok(Self { stop, note, is_finished: AtomicBool::new(false) }),
            _ => Err(io::Error::other("the recorder does not start")),
        }
    }

    /// Puts a note into the trace; from any thread.
    pub fn note(&self, text: &str) {
        // SAFETY: the recorder copies the bytes inside of the call.
        unsafe { (self.note)(text.as_ptr().cast(), text.len()) }
    }

    /// Ends the trace.
    ///
    /// # Errors
    /// When not all of it could be written, or it has ended before.
    pub fn finish(&self) -> io::Result<()> {
        if self.is_finished.swap(true, Ordering::Relaxed) {
            return Err(io::Error::other("the trace has ended before"));
        }
        // SAFETY: no argument.
        match unsafe { (self.stop)() } {
            0 => Ok(()),
            _ => Err(io::Error::other("the trace could not be written")),
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // A test that fails leaves a recording, whose trace nobody reads.
        drop(self.finish());
    }
}

#[expect(unsafe_code, reason = "the recorder's functions are found by name")]
fn find(name: &CStr) -> io::Result<*mut c_void> {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    }
    // SAFETY: no handle stands for everything that is loaded.
    let found = unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) };
    if found.is_null() {
        return Err(io::Error::other("this process does not run under the recorder"));
    }
    Ok(found)
}
