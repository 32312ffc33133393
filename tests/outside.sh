#!/usr/bin/env bash
# Carebell against software that is not ours. Every tool named here must be there: what cannot be checked fails.
set -euo pipefail
cd "$(dirname "$0")/.."

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

unit
