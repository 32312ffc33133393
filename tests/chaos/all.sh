#!/usr/bin/env bash
# Every script of this folder, one after the other; SHORT=1 for the short forms. Ends with 1 when a promise broke.
set -u
cd "$(dirname "$0")"
worst=0
for script in *.sh; do
    case $script in all.sh | lib.sh) continue ;; esac
    printf '\n-- %s\n' "$script"
    bash "./$script"
    code=$?
    [ "$code" = 0 ] || [ "$code" = 77 ] || worst=1
done
exit "$worst"
