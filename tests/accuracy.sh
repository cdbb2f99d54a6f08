#!/usr/bin/env bash
# How often is the parent right? Real programs under load; one row for each, and each concurrency.
#
#   tests/accuracy.sh                                    all of it: hours
#   tests/accuracy.sh aiohttp gevent --concurrency 8,64 --requests 500
#   tests/accuracy.sh aiohttp@3.13                       with another version of its runtime
#   tests/accuracy.sh --list                             the programs
#   tests/accuracy.sh --write docs/accuracy.md           also put the rows into that table
#
# Programs are installed into ~/.cache/lanewire-accuracy. What can't be had says SKIP on stderr.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. examples/setup.sh

# shellcheck disable=SC2086 # a list of words
install_packages $DEMO_PACKAGES iproute2 procps tcpdump
install_rust
cargo build --quiet --release --locked -p lanewire --bin lanewire
cargo build --quiet --release --locked -p lanewire-tests --bins
target="$(cargo metadata --format-version 1 --no-deps --locked |
    /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"
export LANEWIRE_BIN="${LANEWIRE_BIN:-$target/release/lanewire}"
if [ "$(id -u)" -eq 0 ]; then
    exec "$target/release/lanewire-accuracy" "$@"
fi
exec sudo -E env PATH="$PATH" "$target/release/lanewire-accuracy" "$@"
