//! What FoundationDB tells about a cluster and a client, as far as a store on this host has it:
//! documents in JSON with FoundationDB's names.

use std::fmt::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::api_version;

/// The place of an embedded store: this host, no port.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 0;

/// Where the pairs of every key are. Since API version 630 an address has a port unasked.
pub fn address(with_port: bool) -> String {
    let with_port = with_port || api_version::at_least(api_version::SPECIAL_KEYS);
    if with_port { format!("{HOST}:{PORT}") } else { HOST.to_owned() }
}

/// In the form of a cluster file's line. Nothing can be opened with it: that takes the directory.
pub fn connection_string() -> String {
    format!("kronotop:embedded@{HOST}:{PORT}")
}

/// The document below `\xff\xff/status/json`.
pub fn cluster_json(directory: &Path) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let path = quoted(&directory.to_string_lossy());
    format!(
        concat!(
            r#"{{"client":{{"cluster_file":{{"path":{path},"up_to_date":true}},"#,
            r#""coordinators":{{"coordinators":[],"quorum_reachable":true}},"#,
            r#""database_status":{{"available":true,"healthy":true}},"#,
            r#""messages":[],"timestamp":{now}}},"#,
            r#""cluster":{{"cluster_controller_timestamp":{now},"#,
            r#""configuration":{{"redundancy_mode":"single","storage_engine":"kronotop-embedded"}},"#,
            r#""data":{{"state":{{"healthy":true,"name":"healthy"}}}},"#,
            r#""database_available":true,"database_lock_state":{{"locked":false}},"#,
            r#""machines":{{}},"messages":[],"processes":{{}}}}}}"#,
        ),
        path = path,
        now = now,
    )
}

/// The document of `fdb_database_get_client_status`.
pub fn client_json(directory: &Path) -> String {
    format!(
        concat!(
            r#"{{"ClusterID":"embedded","CommitProxies":[],"Connections":[],"Coordinators":[],"#,
            r#""CurrentCoordinator":"","GrvProxies":[],"Healthy":true,"#,
            r#""InitializationState":"created","NumConnectionsFailed":0,"StorageServers":[],"#,
            r#""StoreDirectory":{}}}"#,
        ),
        quoted(&directory.to_string_lossy())
    )
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(quoted, "\\u{:04x}", control as u32);
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_quoted() {
        assert_eq!(quoted("a\"\\\n\u{e9}"), "\"a\\\"\\\\\\u000a\u{e9}\"");
        assert!(client_json(Path::new("/a\"b")).contains(r#""/a\"b""#));
    }
}
