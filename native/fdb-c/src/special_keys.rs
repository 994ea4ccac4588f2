//! The keys beyond `\xff\xff`, which tell about the database instead of being stored: FoundationDB
//! groups them in modules. A module that tells about machines, roles or tenants is empty here.

use std::path::Path;

use kronotop_kv::{Error, KeySelector, RangeResult, Result};

use crate::api_version;
use crate::errors::{
    SPECIAL_KEYS_CROSS_MODULE_READ, SPECIAL_KEYS_NO_MODULE_FOUND,
    SPECIAL_KEYS_NO_WRITE_MODULE_FOUND, SPECIAL_KEYS_WRITE_DISABLED,
};
use crate::status;

const BEGIN: &[u8] = b"\xff\xff";
const END: &[u8] = b"\xff\xff\xff";

const CLUSTER_FILE_PATH: &[u8] = b"\xff\xff/cluster_file_path";
const CONNECTION_STRING: &[u8] = b"\xff\xff/connection_string";
const STATUS_JSON: &[u8] = b"\xff\xff/status/json";

/// Modules of one key.
const SINGLE: [&[u8]; 4] =
    [CLUSTER_FILE_PATH, CONNECTION_STRING, STATUS_JSON, b"\xff\xff/error_message"];

/// Modules of all keys that begin so.
const PREFIXES: [&[u8]; 8] = [
    b"\xff\xff/actor_profiler_conf/",
    b"\xff\xff/configuration/",
    b"\xff\xff/global_config/",
    b"\xff\xff/management/",
    b"\xff\xff/metrics/",
    b"\xff\xff/tracing/",
    b"\xff\xff/transaction/",
    b"\xff\xff/worker_interfaces/",
];

/// What a transaction's options say about special keys.
#[derive(Clone, Copy, Default)]
pub struct Access {
    /// Reads may cross modules.
    pub relaxed: bool,
    pub writes: bool,
}

/// Whether a read of this key is answered here.
pub fn answers(key: &[u8]) -> bool {
    if api_version::at_least(api_version::SPECIAL_KEYS) {
        return contains(key);
    }
    [CLUSTER_FILE_PATH, CONNECTION_STRING, STATUS_JSON].contains(&key)
}

/// Whether a range read is answered here.
pub fn answers_range(begin: &KeySelector, end: &KeySelector) -> bool {
    let is_newer = api_version::at_least(api_version::SPECIAL_KEYS);
    is_newer && contains(&begin.key) && BEGIN <= &*end.key && &*end.key <= END
}

fn contains(key: &[u8]) -> bool {
    (BEGIN..END).contains(&key)
}

/// The value of a special key.
pub fn get(key: &[u8], directory: &Path, access: Access) -> Result<Option<Vec<u8>>> {
    check_module(key, &after(key), access)?;
    Ok(value(key, directory))
}

/// The pairs between two special keys.
pub fn get_range(
    (begin, end): (&KeySelector, &KeySelector),
    limit: usize,
    reverse: bool,
    directory: &Path,
    access: Access,
) -> Result<RangeResult> {
    let (begin_at, end_at) = (origin(begin), origin(end));
    if begin.offset >= end.offset && begin_at >= end_at {
        return Ok(RangeResult::default());
    }
    let (from, to) = check_module(&begin_at, &end_at, access)?;
    let mut keys: Vec<&[u8]> =
        SINGLE.into_iter().filter(|key| *from <= **key && **key < *to).collect();
    let count = keys.len();
    let first = place(&keys, &begin_at, begin.offset).min(count);
    let behind = place(&keys, &end_at, end.offset).clamp(first, count);
    keys = keys.drain(first..behind).collect();
    if reverse {
        keys.reverse();
    }
    let mut result = RangeResult::default();
    for key in keys {
        if limit > 0 && result.count == limit {
            result.more = true;
            break;
        }
        if let Some(value) = value(key, directory) {
            result.push(key, &value);
        }
    }
    Ok(result)
}

/// Whether a write of a key, or of those up to `end`, is answered here.
pub fn may_be_written(begin: &[u8], end: Option<&[u8]>) -> bool {
    let is_newer = api_version::at_least(api_version::SPECIAL_WRITES);
    contains(begin) && is_newer && end.is_none_or(|end| end <= END)
}

/// Why it cannot be made: no module takes writes.
pub fn refuse_write(access: Access) -> i32 {
    if access.writes { SPECIAL_KEYS_NO_WRITE_MODULE_FOUND } else { SPECIAL_KEYS_WRITE_DISABLED }
}

fn value(key: &[u8], directory: &Path) -> Option<Vec<u8>> {
    use std::os::unix::ffi::OsStrExt;
    match key {
        CLUSTER_FILE_PATH => Some(directory.as_os_str().as_bytes().to_vec()),
        CONNECTION_STRING => Some(status::connection_string().into_bytes()),
        STATUS_JSON => Some(status::cluster_json(directory).into_bytes()),
        _ => None,
    }
}

/// The module that holds `[begin, end]`; everything where reads may cross modules.
fn check_module(begin: &[u8], end: &[u8], access: Access) -> Result<(Vec<u8>, Vec<u8>)> {
    if access.relaxed {
        return Ok((BEGIN.to_vec(), END.to_vec()));
    }
    let modules = modules();
    let holds = |(from, to): &&(Vec<u8>, Vec<u8>)| **from <= *begin && *begin < **to;
    if let Some(module) = modules.iter().find(holds) {
        if end <= &*module.1 {
            return Ok(module.clone());
        }
        return Err(Error::new(SPECIAL_KEYS_CROSS_MODULE_READ));
    }
    let next = modules.iter().map(|(from, _)| &**from).filter(|from| *from > begin).min();
    let crosses = next.is_some_and(|next| next < end);
    let code = if crosses { SPECIAL_KEYS_CROSS_MODULE_READ } else { SPECIAL_KEYS_NO_MODULE_FOUND };
    Err(Error::new(code))
}

fn modules() -> Vec<(Vec<u8>, Vec<u8>)> {
    let single = SINGLE.iter().map(|key| (key.to_vec(), after(key)));
    // All prefixes end in `/`; `0` comes next.
    let beyond = |prefix: &[u8]| [prefix.get(..prefix.len() - 1).unwrap_or(prefix), b"0"].concat();
    single.chain(PREFIXES.iter().map(|prefix| (prefix.to_vec(), beyond(prefix)))).collect()
}

/// The position that a selector chooses among sorted keys.
fn place(keys: &[&[u8]], origin: &[u8], offset: i32) -> usize {
    let before = keys.partition_point(|key| *key < origin);
    let steps = offset.unsigned_abs() as usize;
    if offset > 0 { before + steps - 1 } else { before.saturating_sub(steps + 1) }
}

fn origin(selector: &KeySelector) -> Vec<u8> {
    if selector.or_equal { after(&selector.key) } else { selector.key.clone() }
}

fn after(key: &[u8]) -> Vec<u8> {
    [key, b"\0"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(begin: &[u8], end: &[u8], relaxed: bool) -> std::result::Result<Vec<Vec<u8>>, i32> {
        let bound = KeySelector::first_greater_or_equal;
        let access = Access { relaxed, writes: false };
        let range = get_range((&bound(begin), &bound(end)), 0, false, Path::new("/store"), access);
        let range = range.map_err(|error| error.code)?;
        Ok(range.pairs().map(|(key, _)| key.to_vec()).collect())
    }

    #[test]
    fn reads_stay_in_one_module_unless_they_are_relaxed() {
        let path = CLUSTER_FILE_PATH;
        assert_eq!(read(path, &after(path), false), Ok(vec![path.to_vec()]));
        assert_eq!(read(b"\xff\xff/metrics/a", b"\xff\xff/metrics/z", false), Ok(vec![]));
        assert_eq!(read(b"\xff\xff/x", b"\xff\xff/y", false), Err(SPECIAL_KEYS_NO_MODULE_FOUND));
        assert_eq!(read(BEGIN, END, false), Err(SPECIAL_KEYS_CROSS_MODULE_READ));
        assert_eq!(read(path, END, false), Err(SPECIAL_KEYS_CROSS_MODULE_READ));
        let all = vec![path.to_vec(), CONNECTION_STRING.to_vec(), STATUS_JSON.to_vec()];
        assert_eq!(read(BEGIN, END, true), Ok(all));
    }

    #[test]
    fn single_keys_have_values_or_errors() {
        let get = |key: &[u8]| {
            get(key, Path::new("/store"), Access::default()).map_err(|error| error.code)
        };
        assert_eq!(get(CLUSTER_FILE_PATH), Ok(Some(b"/store".to_vec())));
        assert_eq!(get(b"\xff\xff/error_message"), Ok(None));
        assert_eq!(get(b"\xff\xff/nothing"), Err(SPECIAL_KEYS_NO_MODULE_FOUND));
    }

    #[test]
    fn writes_are_refused() {
        let refused = |writes| refuse_write(Access { relaxed: false, writes });
        assert_eq!(refused(false), SPECIAL_KEYS_WRITE_DISABLED);
        assert_eq!(refused(true), SPECIAL_KEYS_NO_WRITE_MODULE_FOUND);
        assert!(may_be_written(b"\xff\xff/management/x", None) && !may_be_written(b"k", None));
        assert!(!may_be_written(BEGIN, Some(b"\xff\xff\xff\0")));
    }
}
