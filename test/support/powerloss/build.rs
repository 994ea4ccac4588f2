//! Builds the recorder, a shared library of its own: the crate only knows where it is. So whoever
//! depends on the crate has the recorder that belongs to the present source.

use std::env;
use std::error::Error;
use std::path::PathBuf;

const SOURCE: &str = "src/recorder.cc";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rustc-check-cfg=cfg(recorder)");
    let is_linux = env::var("CARGO_CFG_TARGET_OS")? == "linux";
    if !is_linux || env::var("CARGO_CFG_TARGET_POINTER_WIDTH")? != "64" {
        return Ok(());
    }
    let library = PathBuf::from(env::var("OUT_DIR")?).join("librecorder.so");
    let compiler = cc::Build::new().cpp(true).std("c++17").opt_level(2).try_get_compiler()?;
    let built = compiler
        .to_command()
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-pthread", "-o"])
        .arg(&library)
        .arg(SOURCE)
        .status()?;
    if !built.success() {
        return Err(format!("{SOURCE} does not compile").into());
    }
    println!("cargo::rustc-env=POWERLOSS_RECORDER={}", library.display());
    println!("cargo::rustc-cfg=recorder");
    Ok(())
}
