#!/usr/bin/env bash
# Runs fuzz targets one after another and prints a table of what came of it.
#
#   fuzz/run.sh [SECONDS] [TARGET...]
#
# 60 seconds and every target unless told otherwise; `config` has to be named, since it builds the
# whole agent. What crashes is kept in fuzz/artifacts/TARGET. It needs the nightly compiler and
# cargo-fuzz: `cargo install cargo-fuzz --locked`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=60
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then
    seconds="$1"
    shift
fi
if [ $# -gt 0 ]; then
    targets=("$@")
else
    mapfile -t targets < <(sed -n 's/^path = "targets\/\(.*\)\.rs"$/\1/p' Cargo.toml | grep -vx config)
fi

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
failed=0

# The last number behind a word in the log.
last() {
    grep -o "$1 *[0-9]*" "$log" | tail -n 1 | grep -o '[0-9]*$' || echo '?'
}

printf '| target | seconds | executions | edges | features | corpus | result |\n'
printf '|---|---:|---:|---:|---:|---:|---|\n'
for target in "${targets[@]}"; do
    features=()
    if [ "$target" = config ]; then
        features=(--features agent)
    fi
    mkdir -p "corpus/$target"
    dictionary=()
    if [ -f "dictionaries/$target" ]; then
        dictionary=("-dict=dictionaries/$target")
    fi
    result=ok
    # A head has 4 KiB at most unless configured otherwise. Where the machine is busy, ten seconds are
    # one of computing.
    cargo +nightly fuzz run "${features[@]}" "$target" "corpus/$target" "seeds/$target" -- \
        "-max_total_time=$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024 \
        -print_final_stats=1 "${dictionary[@]}" >"$log" 2>&1 || result=CRASHED
    printf '| %s | %s | %s | %s | %s | %s | %s |\n' "$target" "$seconds" \
        "$(last 'stat::number_of_executed_units:')" "$(last 'cov:')" "$(last 'ft:')" \
        "$(find "corpus/$target" -type f | wc -l)" "$result"
    if [ "$result" != ok ]; then
        failed=1
        grep -A 2 'panicked at\|ERROR: \|^error' "$log" >&2 || tail -n 20 "$log" >&2
    fi
done
exit "$failed"
