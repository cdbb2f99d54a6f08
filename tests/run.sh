#!/usr/bin/env bash
# Installs what the tests need, runs all of them, and closes with one line of counts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. examples/setup.sh

# Beyond what the demo needs.
TEST_PACKAGES="clang-format iproute2 libpython3-dev nftables procps tcpdump python3-aiohttp python3-asyncpg python3-gevent
    python3-grpcio python3-kafka python3-pika python3-pip python3-psycopg2 python3-uvloop rabbitmq-server"

# shellcheck disable=SC2086 # lists of words
install_packages $DEMO_PACKAGES $TEST_PACKAGES
# Ubuntu has it within other packages, by release.
if apt-cache show bpftool >/dev/null 2>&1; then
    install_packages bpftool
fi
# A broker that no package has; its test says so where it is missing.
if command -v mvn >/dev/null; then
    tests/kafka.sh || say "Kafka cannot be fetched"
fi
# A receiver that is not written in Go; the same holds for it.
tests/rotel.sh >&2 || say "Rotel cannot be fetched"
install_rust
if command -v rustup >/dev/null; then
    rustup component add rustfmt clippy >&2 || say "rustup cannot add rustfmt and clippy"
fi

if [ "$(id -u)" -ne 0 ]; then
    # cargo stays the user's, the tests become root.
    host="$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')"
    export "CARGO_TARGET_${host}_RUNNER=sudo -E env PATH=$PATH"
fi

passed=0 failed=0 skipped=0
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

check() {
    say "== $*"
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        say "FAILED: $*"
    fi
}

# Adds up the numbers before a word in the lines of results.
sum() {
    awk -v word="$1" '/^test result:/ {
        for (i = 2; i <= NF; i++) if ($i ~ "^" word) total += $(i - 1)
    } END { print total + 0 }' "$log"
}

run_tests() {
    say "== cargo test $*"
    local status=0 bad skips
    # Skipping tests end well and say so: their output is shown, and they count as skipped.
    # In the profile that the agent is built in: all is compiled once.
    cargo test --release --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
    bad="$(sum failed)"
    skips="$(grep -c '^SKIP:' "$log" || true)"
    skipped=$((skipped + skips + $(sum ignored)))
    passed=$((passed + $(sum passed) - skips))
    # Nothing failed and yet cargo did: it did not build, or a test process died.
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    failed=$((failed + bad))
}

# A script that says SKIP where what it needs is missing.
run_script() {
    say "== $*"
    if ! "$@" 2>&1 | tee "$log"; then
        failed=$((failed + 1))
        say "FAILED: $*"
    elif grep -q '^SKIP:' "$log"; then
        skipped=$((skipped + 1))
    else
        passed=$((passed + 1))
    fi
}

check cargo fmt --all --check
check cargo clippy --all-targets --locked -- -D warnings
mapfile -t sources < <(git ls-files 'kernel/bpf/*.c' 'kernel/bpf/*.h' 'kernel/bpf/**/*.c' 'kernel/bpf/**/*.h' | sort -u)
if [ ${#sources[@]} -gt 0 ]; then
    check clang-format --dry-run -Werror "${sources[@]}"
fi
run_tests --workspace --exclude lanewire-tests --locked -- --show-output
# One after the other: they make hosts, and load.
run_tests -p lanewire-tests --locked -- --show-output --test-threads=1
PROFILE=release run_script tests/w3c.sh

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
