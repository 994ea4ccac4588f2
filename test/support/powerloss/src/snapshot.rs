//! The content of a directory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Directories and files below one directory, by relative path; `None` is a directory. Sockets and
/// the like are left out: they hold nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot(pub BTreeMap<String, Option<Vec<u8>>>);

impl Snapshot {
    /// What is below `root` now.
    ///
    /// # Errors
    /// Any error of the operating system, and names that are not UTF-8.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut snapshot = Self::default();
        snapshot.read_below(root, "")?;
        Ok(snapshot)
    }

    fn read_below(&mut self, root: &Path, name: &str) -> io::Result<()> {
        for entry in fs::read_dir(root.join(name))? {
            let entry = entry?;
            let inner = entry.file_name().into_string();
            let inner = inner.map_err(|_| io::Error::other("a name is not UTF-8"))?;
            let path = if name.is_empty() { inner } else { format!("{name}/{inner}") };
            if entry.file_type()?.is_dir() {
                self.0.insert(path.clone(), None);
                self.read_below(root, &path)?;
            } else if entry.file_type()?.is_file() {
                let bytes = fs::read(entry.path())?;
                self.0.insert(path, Some(bytes));
            }
        }
        Ok(())
    }

    /// Puts everything below `root`, which is made.
    ///
    /// # Errors
    /// Any error of the operating system.
    pub fn write(&self, root: &Path) -> io::Result<()> {
        fs::create_dir(root)?;
        for (path, content) in &self.0 {
            match content {
                None => fs::create_dir(root.join(path))?,
                Some(bytes) => fs::write(root.join(path), bytes)?,
            }
        }
        Ok(())
    }

    /// The first path at which two snapshots differ, and how.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<String> {
        let paths = self.0.keys().chain(other.0.keys());
        paths.filter(|path| self.0.get(*path) != other.0.get(*path)).min().map(|path| {
            let [here, there] = [self, other].map(|side| side.0.get(path));
            let (Some(Some(here)), Some(Some(there))) = (here, there) else {
                return format!("{path} is on one side only");
            };
            let at = here.iter().zip(there).position(|(a, b)| a != b);
            let at = at.unwrap_or(here.len().min(there.len()));
            let lengths = format!("{} and {} bytes", here.len(), there.len());
            format!("{path} differs from byte {at} on; {lengths}")
        })
    }
}
