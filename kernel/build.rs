//! Compiles the eBPF programs and generates their skeletons, with the record types from their BTF.

use std::env;
use std::path::PathBuf;

use libbpf_cargo::SkeletonBuilder;

fn main() {
    // The second one is what tests/headers.rs runs.
    for name in ["lanewire", "headers_test"] {
        skeleton(name);
    }
    println!("cargo:rerun-if-changed=bpf");
}

fn skeleton(name: &str) {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let arch = env::var("CARGO_CFG_TARGET_ARCH").expect("cargo sets CARGO_CFG_TARGET_ARCH");
    // <linux/bpf.h> includes <asm/types.h>, which Debian keeps in a folder of the architecture.
    let include = format!("-I/usr/include/{arch}-linux-gnu");
    SkeletonBuilder::new()
        .source(format!("bpf/{name}.bpf.c"))
        .clang_args([include.as_str(), "-mcpu=v3", "-Wall", "-Werror"])
        .build_and_generate(out.join(format!("{name}.skel.rs")))
        .unwrap_or_else(|e| panic!("{name}.bpf.c can't be compiled (is clang installed?): {e:#}"));
}
