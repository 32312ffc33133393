#!/usr/bin/env bash
# Every script of this folder, side by side: each has an installation of its own, and mostly waits. SHORT=1 for the
# short forms. Ends with 1 when a promise broke.
set -u
cd "$(dirname "$0")"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
scripts=() processes=()
for script in *.sh; do
    case $script in all.sh | lib.sh) continue ;; esac
    bash "./$script" >"$logs/$script" 2>&1 &
    scripts+=("$script") processes+=($!)
done
worst=0
for n in "${!scripts[@]}"; do
    code=0
    wait "${processes[$n]}" || code=$?
    printf '\n-- %s\n' "${scripts[$n]}"
    cat "$logs/${scripts[$n]}"
    case $code in 0 | 77) ;; *) worst=1 ;; esac
done
exit "$worst"
