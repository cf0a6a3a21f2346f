//! Compiles the extension, which is one C file, to be linked with the SQLite that rusqlite links.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=source");
    let mut build = cc::Build::new();
    build
        .file("source/safetensors.c")
        .include("source")
        .define("SQLITE_CORE", None)
        .std("c11")
        .opt_level(2) // also in debug builds, which would read tensors at a tenth of the speed
        .warnings(false)
        .flag_if_supported("-ffp-contract=off");
    if env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86") {
        build.flag("-msse2").flag("-mfpmath=sse");
    }
    build.compile("safetensors");
    if env::var_os("CARGO_CFG_UNIX").is_some() {
        println!("cargo:rustc-link-lib=m");
        println!("cargo:rustc-link-lib=pthread");
    }
}
