# Runs one throw-away PostgreSQL cluster for as long as the process $2 lives; then nothing of it is left.
# $1 folder that becomes the cluster's (data, socket, log), $2 process to outlive by nothing, $3 the server's
# binaries, $4 its settings. Says "ready" on stdout once it takes connections; on failure its last words go there instead.
set -eu
folder=$1 watched=$2 bin=$3 settings=$4

as=
if [ "$(id -u)" = 0 ]; then
    # The server refuses to run as root.
    user=postgres
    id "$user" >/dev/null 2>&1 || user=nobody
    chown "$user" "$folder"
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
fi
export LC_ALL=C.UTF-8 HOME="$folder"
cd "$folder"

finish() {
    trap '' EXIT INT TERM HUP
    $as "$bin/pg_ctl" -D data -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

if ! {
    $as "$bin/initdb" -D data -U postgres -A trust -E UTF8 --no-sync --no-instructions &&
        $as "$bin/pg_ctl" -D data -w -t 60 -l server.log -o "-c listen_addresses='' \
            -c unix_socket_directories='$folder' -c max_connections=200 $settings" start
} >start.log 2>&1; then
    tail -n 3 start.log server.log 2>/dev/null || true
    exit 1
fi
: >ready
echo ready
exec >/dev/null
while kill -0 "$watched" 2>/dev/null; do sleep 0.3; done
