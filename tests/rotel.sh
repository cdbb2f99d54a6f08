#!/usr/bin/env bash
# Fetches Rotel, an OTLP receiver written in Rust, from PyPI to the cache where its test looks for it.
# Needs the system's Python with pip, and its shared library: the program embeds it.
set -euo pipefail

version=0.0.1a15
cache="${XDG_CACHE_HOME:-$HOME/.cache}/lanewire-backends"
[ ! -x "$cache/rotel-agent" ] || exit 0

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
/usr/bin/python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --target "$work/rotel" "rotel==$version"
program="$work/rotel/rotel/rotel-agent"
# Before it is put there: one that does not run is as none.
"$program" --version
mkdir -p "$cache"
install -m 755 "$program" "$cache/rotel-agent.part"
mv "$cache/rotel-agent.part" "$cache/rotel-agent"
