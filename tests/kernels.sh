#!/usr/bin/env bash
# Runs the agent on Debian's stock kernels, in emulated machines, and prints what works on each.
# tests/kernels.sh [VERSION...], such as `tests/kernels.sh 6.1 6.12`; without any, all of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. examples/setup.sh

# Version, the suite that has it, and what is expected there. "newest" is what the suite has.
KERNELS="
5.10   debian-security/bullseye-security refused
6.1    debian-security/bookworm-security runs
6.12   debian-security/bookworm-security runs
6.18   debian/trixie-backports           runs
newest debian/trixie-backports           runs
"
MIRROR="${DEBIAN_MIRROR:-http://deb.debian.org}"
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/lanewire-kernels"
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
BUILT="${CARGO_TARGET_DIR:-target}/release"
# Emulation is slow; a machine that hangs has to end nevertheless.
BOOT_SECONDS=300

[ "$(uname -m)" = x86_64 ] || die "only x86-64 machines are emulated: this one is $(uname -m)"

# shellcheck disable=SC2086 # a list of words
install_packages $DEMO_PACKAGES binutils busybox-static cpio debian-archive-keyring qemu-system-x86
install_rust
cargo build --release --locked -p lanewire >&2
cargo build --release --locked -p lanewire-kernel --example check >&2

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$CACHE"

# apt-get and apt-cache with a list of packages of our own: the system's stays as it is.
with_suite() {
    local suite="$1" tool="$2" apt="$CACHE/apt/${1//\//-}"
    shift 2
    mkdir -p "$apt/lists/partial" "$apt/archives/partial"
    printf 'deb [signed-by=%s] %s/%s %s main\n' "$KEYRING" "$MIRROR" "${suite%/*}" "${suite#*/}" >"$apt/sources.list"
    "$tool" -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" \
        -o APT::Architecture=amd64 -o APT::Sandbox::User=root "$@"
}

# The packages with a kernel of this version, the newest first. Since 7.1 linux-image-* is empty, and
# linux-binary-* has the kernel.
packages_of() {
    local version="$1" suite="$2"
    with_suite "$suite" apt-get update -qq >&2 || return 1
    with_suite "$suite" apt-cache pkgnames linux- |
        grep -E '^linux-(image|binary)-[0-9][0-9.]*(-[0-9]+|\+deb[0-9.]+)-amd64$' |
        { [ "$version" = newest ] && cat || grep -F -e "-$version."; } |
        sed -E 's/^(linux-(image|binary)-)(.*)/\3 \1/' | sort -k1,1Vr -k2,2 | awk '{ print $2 $1 }'
}

# Prints the path of a kernel of this version, which is downloaded unless it is there.
kernel_of() {
    local version="$1" suite="$2" package into found
    while read -r package; do
        into="$CACHE/$package"
        if [ ! -e "$into/vmlinuz" ]; then
            rm -rf "$work/download"
            mkdir -p "$work/download"
            say "Downloading $package"
            (cd "$work/download" && with_suite "$suite" apt-get download -qq "$package" >&2) || continue
            dpkg-deb --fsys-tarfile "$work/download"/*.deb |
                tar -x -C "$work/download" --wildcards './boot/vmlinuz-*' './usr/lib/modules/*/vmlinuz' 2>/dev/null || true
            # One of the two.
            found="$(find "$work/download" -name 'vmlinuz*')"
            [ -n "$found" ] || continue
            mkdir -p "$into"
            mv "$found" "$into/vmlinuz"
        fi
        printf '%s\n' "$into/vmlinuz"
        return 0
    done < <(packages_of "$version" "$suite" | head -n 4)
    return 1
}

# The root file system of the machines: both programs, with the libraries they need, and busybox.
make_root() {
    local root="$work/root" program library
    mkdir -p "$root"/{bin,dev,proc,sys,tmp}
    cp "$(command -v busybox)" "$root/bin/busybox"
    for program in "$BUILT/lanewire" "$BUILT/examples/check"; do
        strip -o "$root/bin/${program##*/}" "$program"
        while read -r library; do
            mkdir -p "$root${library%/*}"
            cp -Ln "$library" "$root$library"
        done < <(ldd "$program" | grep -oE '/[^ ]+')
    done
    cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
if grep -qw refused /proc/cmdline; then
    if lanewire run 2>&1; then
        echo "not ok: lanewire run refuses"
    else
        echo "refused with $?"
    fi
else
    check /bin/lanewire 2>&1
fi
poweroff -f
INIT
    chmod 755 "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/root.cpio.gz"
}

# Boots a kernel, and shows what the machine prints.
boot() {
    local kernel="$1" mode="$2"
    timeout "$BOOT_SECONDS" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1024 -nic none \
        -display none -monitor none -serial stdio -no-reboot -kernel "$kernel" -initrd "$work/root.cpio.gz" \
        -append "console=ttyS0 quiet loglevel=3 panic=-1 $mode" </dev/null | tr -d '\r'
}

# Did the machine print what it has to?
as_expected() {
    local log="$1" mode="$2" release="$3"
    case "$mode" in
    runs) grep -qx 'check: passed' "$log" ;;
    refused) grep -qE '^refused with [1-9]' "$log" && grep -qF "kernel $release is too old" "$log" &&
        grep -qE '[0-9.]+ or newer is needed' "$log" ;;
    esac
}

make_root
passed=0 failed=0 skipped=0
while read -r version suite mode; do
    [ -n "$version" ] || continue
    [ $# -eq 0 ] || [[ " $* " == *" $version "* ]] || continue
    if ! kernel="$(kernel_of "$version" "$suite")"; then
        printf 'SKIP: no kernel %s: %s has none that can be downloaded\n' "$version" "$suite"
        skipped=$((skipped + 1))
        continue
    fi
    release="$(basename "$(dirname "$kernel")" | sed -E 's/^linux-(image|binary)-//')"
    say "== $release"
    started=$SECONDS
    boot "$kernel" "$mode" | tee "$work/log" >&2 || true
    if as_expected "$work/log" "$mode" "$release"; then
        printf 'ok: %s %s, %d s\n' "$release" "$mode" $((SECONDS - started))
        passed=$((passed + 1))
    else
        printf 'FAILED: %s\n' "$release"
        failed=$((failed + 1))
    fi
done <<<"$KERNELS"

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
