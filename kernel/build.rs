//! Compiles the eBPF programs and generates their skeleton, with the record types from their BTF.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    // <linux/bpf.h> includes <asm/types.h>, which Debian keeps in a folder of the architecture.
    let include = format!("-I/usr/include/{arch}-linux-gnu");
    SkeletonBuilder::new()
        .source("bpf/lanewire.bpf.c")
        .clang_args([include.as_str(), "-mcpu=v3", "-Wall", "-Werror"])
        .build_and_generate(out.join("lanewire.skel.rs"))
        .expect("the eBPF programs compile: is clang installed?");
    println!("cargo:rerun-if-changed=bpf");
}
