#!/usr/bin/env bash
# Carebell against software that is not ours: the unit under systemd, and the built binary (`cargo build`, or
# $CAREBELL) end to end over gateways, mail servers and mocks of the providers. Everything stays on loopback.
#
# Usage: tests/outside.sh [--install] [PART...]    none: all of them
#
# --install fetches what is missing: Debian's packages as root, npm's and pip's into target/outside ($TOOLS).
# One line a check, `ok` or `FAILED`; SHORT=1 leaves out what takes minutes. It ends with 1 when a check failed, else
# with 77 when a part could not run.
set -euo pipefail
cd "$(dirname "$0")/.."
export TOOLS=${TOOLS:-$PWD/target/outside}

# systemd: the unit is well formed and shuts the daemon in (exposure 1.5 at most; the threshold is ten times it).
unit() {
    command -v systemd-analyze >/dev/null || {
        echo "systemd-analyze is not installed: apt-get install systemd" >&2
        return 1
    }
    local folder
    folder=$(mktemp -d)
    # verify asks that the binary exists; the unit under test is installed nowhere yet.
    sed 's|^ExecStart=.*|ExecStart=/bin/true|' systemd/carebell.service >"$folder/carebell.service"
    local result=0
    systemd-analyze verify --man=no "$folder/carebell.service" || result=1
    systemd-analyze security --offline=true --threshold=15 systemd/carebell.service >"$folder/report" || result=1
    tail -n 1 "$folder/report"
    rm -rf "$folder"
    return "$result"
}

install() {
    local packages=() tool
    for tool in bearerbox:kannel smtpd:opensmtpd node:nodejs npm:npm python3:python3-venv curl:curl openssl:openssl; do
        PATH=$PATH:/usr/sbin command -v "${tool%%:*}" >/dev/null || packages+=("${tool#*:}")
    done
    if [ ${#packages[@]} -gt 0 ]; then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            echo "missing, and not installed without root and apt-get: ${packages[*]}" >&2
        else
            # No server of theirs is to start: the parts start their own.
            apt-get update -q
            DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -qy --no-install-recommends "${packages[@]}"
        fi
    fi
    mkdir -p "$TOOLS"
    npm install --prefix "$TOOLS" --no-audit --no-fund smpp@0.5 @stoplight/prism-cli@5.14.2
    [ -x "$TOOLS/python/bin/python3" ] || python3 -m venv "$TOOLS/python"
    "$TOOLS/python/bin/python3" -m pip install -q aiosmtpd==1.4.6 dkimpy pynacl icalendar
}

all=(unit kannel mail relay prism)
parts=()
for word in "$@"; do
    case $word in
    --install) install ;;
    *)
        [[ " ${all[*]} " = *" $word "* ]] || {
            echo "usage: tests/outside.sh [--install] [PART...]    parts: ${all[*]}" >&2
            exit 2
        }
        parts+=("$word")
        ;;
    esac
done
[ ${#parts[@]} -gt 0 ] || parts=("${all[@]}")

result=0
for part in "${parts[@]}"; do
    code=0
    printf '\n== %s\n' "$part"
    if [ "$part" = unit ]; then unit || code=1; else "tests/outside/$part.sh" || code=$?; fi
    case $code in
    0) ;;
    77) [ "$result" = 1 ] || result=77 ;;
    *) result=1 ;;
    esac
done
exit "$result"
