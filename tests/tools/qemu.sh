#!/usr/bin/env bash
# Unpacks a QEMU 7.2 system emulator for x86_64 below target/, for the tests that record and replay a virtual
# machine. Nothing is installed: on some systems the package qemu-system-x86 removes qemu-utils.
#
#   tests/tools/qemu.sh          makes target/tools/qemu-7.2/qemu-system-x86_64, unless it is there and runs
#
# Where no such package can be had, BLKREPLAY_TEST_QEMU names a qemu-system-x86_64 7.2 of one's own; the tests
# take that one. Ends with 1 and a hint if there is none in the end.
set -euo pipefail
cd "$(dirname "$0")/../.."

# A QEMU log has to be replayed by the version that wrote it, and the test decodes the layout of this one.
SERIES=7.2
script=tests/tools/qemu.sh
place=${CARGO_TARGET_DIR:-target}/tools/qemu-$SERIES
emulator=$place/qemu-system-x86_64
stamp=$place/made-by

say() { printf '== qemu: %s\n' "$*" >&2; }

fail() {
    say "$*"
    say "hint: Debian 12 has it; elsewhere set BLKREPLAY_TEST_QEMU to a qemu-system-x86_64 of version $SERIES"
    exit 1
}

# Whether a program is a QEMU of this series and runs.
runs() { [[ $("$1" --version 2>/dev/null) == "QEMU emulator version $SERIES."* ]]; }

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Prints the newest version of a package that belongs to the series.
version_of() { apt-cache madison "$1" | awk -v series="1:$SERIES+" 'index($3, series) == 1 { print $3; exit }'; }

# Prints what a package cannot do without, of alternatives the first.
needs_of() {
    apt-cache depends --no-recommends --no-suggests "$1" |
        awk '$1 == "Depends:" && !skip { print $2 } { skip = ($1 == "|Depends:") } $1 == "|Depends:" { print $2 }'
}

# Prints the libraries and firmware that the emulator needs and this system lacks.
missing() {
    local -A seen=()
    local queue=(qemu-system-x86) package
    while [ ${#queue[@]} -gt 0 ]; do
        for package in $(needs_of "${queue[0]}"); do
            # These two are taken anyway; the second needs libraries for devices that no test has.
            case $package in qemu-system-data | qemu-system-common | '<'*) continue ;; esac
            if [ -z "${seen[$package]:-}" ] && ! is_installed "$package"; then
                seen[$package]=1
                queue+=("$package")
            fi
        done
        queue=("${queue[@]:1}")
    done
    printf '%s\n' "${!seen[@]}"
}

# Downloads packages into the current folder. Root's apt would rather be somebody who cannot write here.
download() { apt-get download -qq -o APT::Sandbox::User="$(id -un)" "$@" </dev/null; }

# Prints the names and versions of all packages to unpack.
wanted() {
    local package version
    for package in qemu-system-x86 qemu-system-common qemu-system-data; do
        version=$(version_of "$package")
        [ -n "$version" ] || return 1
        echo "$package=$version"
    done
    missing
}

unpack() {
    local packages package
    if ! packages=$(wanted); then
        [ "$(id -u)" -ne 0 ] || apt-get update -qq </dev/null || say "the lists of packages are old"
        packages=$(wanted) || fail "no package qemu-system-x86 of version $SERIES is offered here"
    fi
    rm -rf "$place"
    mkdir -p "$place/packages"
    (
        cd "$place/packages"
        # shellcheck disable=SC2086  # the packages are words
        download $packages || { apt-get update -qq </dev/null && download $packages; }
    ) || fail "could not download:" $packages
    for package in "$place"/packages/*.deb; do
        dpkg -x "$package" "$place/root"
    done
    rm -r "$place/packages"
    cat >"$emulator" <<'END'
#!/bin/sh
# Runs the emulator that lies beside this file, with its own libraries, modules and firmware.
root=$(dirname "$(readlink -f "$0")")/root
libraries=$(echo "$root"/usr/lib/*-linux-gnu)
export LD_LIBRARY_PATH="$libraries:$(echo "$root"/lib/*-linux-gnu)" QEMU_MODULE_DIR="$libraries/qemu"
exec "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@"
END
    chmod +x "$emulator"
    if ! runs "$emulator"; then
        "$emulator" --version >&2 || true
        fail "what was unpacked into $place does not run"
    fi
    sha256sum "$script" >"$stamp"
    say "unpacked $("$emulator" --version | head -n 1) into $place"
}

if [ -n "${BLKREPLAY_TEST_QEMU:-}" ]; then
    runs "$BLKREPLAY_TEST_QEMU" || fail "BLKREPLAY_TEST_QEMU=$BLKREPLAY_TEST_QEMU is no QEMU $SERIES"
    exit
fi
if [ -f "$stamp" ] && sha256sum --check --status "$stamp" && runs "$emulator"; then
    exit
fi
command -v apt-get >/dev/null && command -v dpkg >/dev/null || fail "this system has neither apt-get nor dpkg"
unpack
