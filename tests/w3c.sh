#!/usr/bin/env bash
# Runs the W3C's conformance suite for Trace Context, level 2 and strict, against a service whose
# headers our propagator reads and writes (examples/lane-service/src/bin/trace-context.rs).
#
#   tests/w3c.sh [PATTERN...]       such as TraceContextTest.test_traceparent_duplicated
#
# The suite is not part of this repository. It is taken from W3C_TRACE_CONTEXT_DIR, a checkout of
# https://github.com/w3c/trace-context from 2026-06-29 or newer (before, it held keys of a
# tracestate to level 1), or cloned from there. Without it, or without Python's aiohttp, this says
# SKIP and ends well.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() {
    echo "SKIP: W3C Trace Context conformance: $*"
    exit 0
}

work="$(mktemp -d)"
service=
clean_up() {
    if [ -n "$service" ]; then
        kill "$service" 2>/dev/null || true
        wait "$service" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

python="$(command -v python3)" || skip "there is no python3"
# Beside a Python of one's own, the system's has the packages of the package manager.
if ! "$python" -c 'import aiohttp' 2>/dev/null; then
    python=/usr/bin/python3
    "$python" -c 'import aiohttp' 2>/dev/null ||
        skip "Python has no aiohttp: apt-get install python3-aiohttp"
fi

suite="${W3C_TRACE_CONTEXT_DIR:-}"
if [ -z "$suite" ]; then
    suite="$work/trace-context"
    GIT_TERMINAL_PROMPT=0 timeout 60 git clone --quiet --depth 1 \
        https://github.com/w3c/trace-context "$suite" 2>"$work/clone" ||
        skip "it cannot be cloned ($(tail -n 1 "$work/clone")); set W3C_TRACE_CONTEXT_DIR to a checkout of https://github.com/w3c/trace-context"
fi
[ -f "$suite/test/test.py" ] || skip "there is no test/test.py in $suite"
suite="$(cd "$suite" && pwd)"

profile="${PROFILE:-dev}"
cargo build --quiet --locked --profile "$profile" -p lane-service --bin trace-context
target="$(cargo metadata --format-version 1 --no-deps --locked | "$python" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')"

mkfifo "$work/says"
"$target/${profile/#dev/debug}/trace-context" 127.0.0.1:0 >"$work/says" &
service=$!
read -r line <"$work/says"
address="${line#listening on }"

# Python would leave its bytecode in the suite.
cd "$suite/test"
PYTHONDONTWRITEBYTECODE=1 SPEC_LEVEL=2 STRICT_LEVEL=2 \
    "$python" test.py "http://$address/test" "$@"
