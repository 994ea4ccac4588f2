//! Compiles the C++ half of the client against the N-API headers of the npm packages
//! `node-addon-api` and `node-api-headers`, found in the checkout's `node_modules`.

use std::path::PathBuf;

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let modules = manifest.join("../../node_modules");
    println!("cargo::rerun-if-changed=src");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include(modules.join("node-addon-api"))
        .include(modules.join("node-api-headers/include"))
        .define("NAPI_VERSION", "8")
        .define("NODE_ADDON_API_CPP_EXCEPTIONS_ALL", None)
        .flag("-fvisibility=hidden")
        .flag("-Wno-missing-field-initializers")
        .extra_warnings(true)
        .files(
            ["client", "completions", "errors", "library", "module", "network", "transaction"]
                .map(|name| manifest.join(format!("src/{name}.cc"))),
        )
        .compile("kronotop_fdb_client_cc");
    println!("cargo::rustc-link-arg=-Wl,-soname,fdb_client.node");
}
