#!/usr/bin/env bash
# Installs what the tests need (only where it is missing) and runs every check of this repository.
#
#   tests/run.sh                 everything, in the order below
#   tests/run.sh STEP...         only these steps: tools fmt lint doc test fuzz
#
# Reads nothing from standard input. Ends with the test runner's closing counts.
set -euo pipefail
cd "$(dirname "$0")/.."

STEPS=(tools fmt lint doc test fuzz)

# A command the tests use, or after "py:" a module of Python, and the Debian packages to try for it, best
# first. No package here may pull in qemu-system: on some systems that removes qemu-utils.
TOOLS=(
    "qemu-img    qemu-utils"
    "qemu-io     qemu-utils"
    "qemu-nbd    qemu-utils"
    "nbdkit      nbdkit"
    "nbdcopy     libnbd-bin"
    "nbdinfo     libnbd-bin"
    "nbd-client  nbd-client"
    "py:nbd      python3-libnbd"
    "nbdfuse     nbdfuse libnbd-bin"
    "fio         fio"
    "mkfs.ext4   e2fsprogs"
    "e2fsck      e2fsprogs"
    "debugfs     e2fsprogs"
    "mkfs.xfs    xfsprogs"
    "xfs_repair  xfsprogs"
    "xfs_db      xfsprogs"
    "mkfs.btrfs  btrfs-progs"
    "btrfs       btrfs-progs"
    "sgdisk      gdisk"
    "zstd        zstd"
    "python3     python3"
    "py:zstandard python3-zstandard"
    "py:jsonschema python3-jsonschema"
    "cmp         diffutils"
    "mount       mount"
    "losetup     mount"
    "fstrim      util-linux"
    "setpriv     util-linux"
)

say() { printf '== %s\n' "$*" >&2; }

# Whether a Python has the module: the one in PATH, or that of the system, for which packages are.
has_module() {
    python3 -c "import $1" 2>/dev/null || /usr/bin/python3 -c "import $1" 2>/dev/null
}

# Prints "COMMAND PACKAGE..." for each command that is not there. mkfs and e2fsck are often outside PATH.
missing_tools() {
    local row command
    for row in "${TOOLS[@]}"; do
        read -r command _ <<<"$row"
        if [[ $command == py:* ]]; then
            has_module "${command#py:}" || echo "$row"
            continue
        fi
        PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null || echo "$row"
    done
}

# Prints the first of the given packages that this system offers.
offered_package() {
    local package
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    say "none of these packages is offered here: $*"
    return 1
}

install_missing() {
    local rows row package
    mapfile -t rows < <(missing_tools)
    if [ ${#rows[@]} -eq 0 ]; then
        say "tools: all there, nothing to install"
        return
    fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        say "tools: these are missing, and only root on a system with apt-get can have them installed here:"
        printf '     %s\n' "${rows[@]}" >&2
        say "each line is a command (after py: a module of Python) and the Debian package that has it"
        exit 1
    fi
    apt-get update -q </dev/null
    local -A wanted=()
    for row in "${rows[@]}"; do
        # shellcheck disable=SC2086  # the packages are words
        package=$(offered_package ${row#* })
        wanted[$package]=1
    done
    say "tools: installing ${!wanted[*]}"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${!wanted[@]}" </dev/null
    mapfile -t rows < <(missing_tools)
    if [ ${#rows[@]} -ne 0 ]; then
        say "tools: still missing after the installation:"
        printf '     %s\n' "${rows[@]}" >&2
        exit 1
    fi
}

step_tools() {
    install_missing
    tests/tools/qemu.sh
}

step_fmt() {
    cargo fmt --all --check
    cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
}

step_lint() {
    cargo clippy --workspace --all-targets --locked -- -D warnings
    # What only the fuzzer sees, and its tests.
    cargo clippy -p blkreplay-core --all-targets --features fuzz --locked -- -D warnings
}

step_doc() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked --quiet
}

# Tests that cannot run here say so in this file, because a runner shows the output of failures only.
LEFT_OUT="${CARGO_TARGET_DIR:-target}/tmp/left-out.txt"

step_test() {
    rm -f "$LEFT_OUT"
    cargo test --workspace --doc --locked --quiet
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --locked --no-fail-fast
    else
        cargo test --workspace --lib --bins --tests --locked --no-fail-fast
    fi
    if [ -s "$LEFT_OUT" ]; then
        say "LEFT OUT, because this machine or user cannot do it:"
        sort -u "$LEFT_OUT" | sed 's/^/     /' >&2
    fi
}

# A short run, to see that no target broke; CONTRIBUTING.md has the long one.
step_fuzz() { tests/fuzz/run.sh --inputs 5000; }

if [ $# -eq 0 ]; then
    set -- "${STEPS[@]}"
fi
for step in "$@"; do
    case " ${STEPS[*]} " in
    *" $step "*) ;;
    *)
        say "no step is called '$step'; there are: ${STEPS[*]}"
        exit 2
        ;;
    esac
done
for step in "$@"; do
    say "$step"
    started=$SECONDS
    "step_$step" </dev/null
    say "$step: done in $((SECONDS - started)) s"
done
