//! Gives the library the SONAME under which FoundationDB's bindings link and look it up.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libfdb_c.so");
}
