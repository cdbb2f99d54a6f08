# Shared by examples/demo.sh and tests/run.sh, which source it: packages, Rust, root.
# Works on Debian and Ubuntu as they come.

RUST_MINIMUM=1.89

# What the build and the demo need.
DEMO_PACKAGES="ca-certificates curl gcc make pkg-config clang libelf-dev zlib1g-dev linux-libc-dev
    util-linux nginx redis-server postgresql python3 python3-redis perl libdbd-pg-perl"

say() { printf '%s\n' "$*" >&2; }

die() { say "error: $*"; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root: run it as root, or install sudo"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs the packages that are missing. Services that come with them are neither started nor left
# enabled; those that were there before are not touched.
install_packages() {
    command -v apt-get >/dev/null || die "this script knows only apt-get: install these with your own package manager: $*"
    local missing=() fresh=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    for package in nginx redis-server postgresql rabbitmq-server; do
        is_installed "$package" || fresh+=("$package")
    done
    say "Installing: ${missing[*]}"
    # In a process of its own, so that its trap removes the policy however it ends.
    as_root bash -s -- "${missing[@]}" <<'ROOT' || die "cannot install: ${missing[*]}"
set -eu
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    # 101 is "not allowed": invoke-rc.d starts nothing.
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
# Standard input is this script, which apt-get must not read.
apt-get update -qq </dev/null
apt-get install -y -qq --no-install-recommends "$@" </dev/null >&2
ROOT
    if [ -d /run/systemd/system ]; then
        for package in "${fresh[@]}"; do
            as_root systemctl disable --quiet "$package" 2>/dev/null || true
        done
    fi
}

# Makes sure that cargo is there and new enough.
install_rust() {
    local home="${CARGO_HOME:-$HOME/.cargo}" have
    PATH="$PATH:$home/bin"
    have="$(cargo --version 2>/dev/null | cut -d ' ' -f 2 || true)"
    if [ -n "$have" ] && printf '%s\n%s\n' "$RUST_MINIMUM" "$have" | sort -V -C; then
        return 0
    fi
    say "Installing Rust (found: ${have:-none}, needed: $RUST_MINIMUM)"
    if ! command -v rustup >/dev/null; then
        curl --proto '=https' --tlsv1.2 -fsS https://sh.rustup.rs |
            sh -s -- -y --no-modify-path --profile minimal || die "cannot install Rust"
    fi
    rustup toolchain install stable --profile minimal || die "cannot install Rust"
    # Before the cargo of the system, which is too old.
    PATH="$home/bin:$PATH"
    export RUSTUP_TOOLCHAIN=stable
}
