#!/usr/bin/env bash
# Installs what the demo needs, builds Lanewire and runs `lanewire demo` with this script's arguments.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. examples/setup.sh

# shellcheck disable=SC2086 # a list of words
install_packages $DEMO_PACKAGES
install_rust
cargo build --release --locked -p lanewire >&2
as_root "${CARGO_TARGET_DIR:-target}/release/lanewire" demo "$@"
