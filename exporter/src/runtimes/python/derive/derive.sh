#!/usr/bin/env bash
# Prints what layout.rs holds of each CPython whose headers are given, or found here:
#     derive.sh [DIRECTORY...]     (a directory that holds Python.h)
# Debian and Ubuntu have them in libpython3.X-dev, pyenv in versions/*/include.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

if [ $# -eq 0 ]; then
    shopt -s nullglob
    set -- /usr/include/python3.* "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/include/python3.*
fi
for headers in "$@"; do
    # Debian keeps pyconfig.h in a folder of the architecture, one level up.
    # _FORTIFY_SOURCE and the like make no difference to structures.
    if ! "${CC:-cc}" -w -I"$headers" -I"$headers/internal" -I"$(dirname "$headers")" \
        -o "$work/offsets" "$here/offsets.c" 2>"$work/errors"; then
        printf '%s: %s\n' "$headers" "$(grep -m 1 error: "$work/errors")" >&2
        continue
    fi
    "$work/offsets"
done | sort -V
