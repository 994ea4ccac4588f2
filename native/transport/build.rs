//! Compiles the C++ sources of the transport against the N-API headers in `node_modules`.

use std::env;
use std::error::Error;
use std::path::PathBuf;

const SOURCES: [&str; 5] =
    ["address.cc", "connection.cc", "transport.cc", "transport_io.cc", "module.cc"];
const HEADERS: [&str; 5] = ["address.h", "bytes.h", "connection.h", "libuv.h", "transport.h"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in SOURCES.iter().chain(&HEADERS) {
        println!("cargo::rerun-if-changed=src/{file}");
    }
    if env::var("CARGO_CFG_TARGET_OS")? != "linux" {
        return Ok(());
    }
    let modules = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../node_modules");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .includes([modules.join("node-addon-api"), modules.join("node-api-headers/include")])
        .define("NAPI_VERSION", "8")
        .define("NAPI_CPP_EXCEPTIONS", None)
        .flag("-fvisibility=hidden")
        .warnings(true)
        .flag("-Wno-unused-parameter")
        .files(SOURCES.map(|file| format!("src/{file}")))
        .try_compile("kronotop_transport_cc")?;
    Ok(())
}
