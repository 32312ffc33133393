#!/usr/bin/env bash
# Every check of this repository; runs from anywhere. As root on Debian it installs what is missing. A group
# that cannot run says why; with CI=true that is a failure where the group is essential.
set -euo pipefail
cd "$(dirname "$0")/.."

summary=()
failed=0

note() {
    summary+=("$(printf '%-8s %-12s %s' "$1" "$2" "${3:-}")")
    [ "$1" != failed ] || failed=1
}

# group NAME COMMAND...
group() {
    local name=$1
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    local started=$SECONDS
    if "$@"; then note ok "$name" "$((SECONDS - started)) s"; else note failed "$name" "$*"; fi
}

# unable NAME essential|optional REASON
unable() {
    printf '\n== %s: cannot run: %s\n' "$1" "$3"
    if [ "$2" = essential ] && [ "${CI:-}" = true ]; then note failed "$1" "$3"; else note skipped "$1" "$3"; fi
}

have() { command -v "$1" >/dev/null; }
postgres() { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
# What tests/chaos/clock-steps.sh shows a daemon another time with.
faketime() { compgen -G '/usr/lib*/*/faketime/libfaketime.so.1' >/dev/null || compgen -G '/usr/lib*/faketime/libfaketime.so.1' >/dev/null; }

install_missing() {
    local packages=()
    have cc || packages+=(gcc libc6-dev)
    postgres || packages+=(postgresql)
    faketime || packages+=(libfaketime)
    [ ${#packages[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        echo "missing, and not installed without root and apt-get: ${packages[*]}"
        return 0
    fi
    if ! [ -e /etc/postgresql-common/createcluster.conf ]; then
        # The tests start clusters of their own; the package need not.
        mkdir -p /etc/postgresql-common
        echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
    fi
    echo "== installing: ${packages[*]}"
    apt-get update -q && DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends "${packages[@]}" || echo "the installation failed"
}

# The exposure score does not see these, or not by name.
unit_directives() {
    local missing=0 line
    for line in Type=notify NotifyAccess=main 'ExecReload=/bin/kill -HUP $MAINPID' Restart=always \
        'RestartPreventExitStatus=75 78' WatchdogSec=30s LimitCORE=0 UMask=0077 MemoryMax=512M \
        StateDirectory=carebell StateDirectoryMode=0700 StartLimitIntervalSec=0 NoNewPrivileges=yes \
        CapabilityBoundingSet= ProtectSystem=strict ProtectHome=yes PrivateTmp=yes PrivateDevices=yes \
        PrivateUsers=yes ProtectProc=invisible ProcSubset=pid MemoryDenyWriteExecute=yes \
        'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX' SystemCallFilter=@system-service \
        LoadCredential=master_key:carebell.master_key; do
        grep -qxF -- "$line" systemd/carebell.service || { echo "the unit lacks: $line"; missing=1; }
    done
    return "$missing"
}

install_missing
have cargo || { echo "cargo is not installed: https://rustup.rs" >&2; exit 1; }

if cargo fmt --version >/dev/null 2>&1; then
    group format cargo fmt --check
else
    unable format essential "rustfmt is not installed: rustup component add rustfmt"
fi
if cargo clippy --version >/dev/null 2>&1; then
    group lints cargo clippy --locked --all-targets -- -D warnings
else
    unable lints essential "clippy is not installed: rustup component add clippy"
fi
if cargo nextest --version >/dev/null 2>&1; then
    group tests cargo nextest run --locked
else
    group tests cargo test --locked --lib --bins --tests
fi
postgres || unable postgresql essential "no server binaries: the tests ran on SQLite alone"
group doctests cargo test --locked --doc
group docs env RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' cargo doc --locked --no-deps --document-private-items
group directives unit_directives
if cargo build --locked; then
    group chaos env SHORT=1 tests/chaos/all.sh
else
    unable chaos optional "the binary does not build"
fi
if have systemd-analyze; then
    # Its other parts want software that is fetched: tests/outside.sh --install.
    group outside tests/outside.sh unit
else
    unable outside optional "systemd-analyze is not installed"
fi

printf '\n== summary\n'
printf '%s\n' "${summary[@]}"
exit "$failed"
