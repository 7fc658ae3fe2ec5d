#!/usr/bin/env bash
# Measures the whole way on this machine: events published with JetStream acknowledgements, taken into the log, projected,
# and visible to a query; then memory, disk, and a rebuild of the projections from the log.
#
#   scripts/measure.sh [EVENTS]        200,000 by default, made of the sample day
#
# FARELOG_BIN names the binary (target/release/farelog by default). The server, its NATS and the publisher share the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

EVENTS=${1:-200000}
FARELOG=${FARELOG_BIN:-target/release/farelog}
# What is set for another server must not reach this one.
unset "${!FARELOG_@}"
[[ -x $FARELOG ]] || { echo "there is no $FARELOG; run: make measure" >&2; exit 1; }
WORK=$(mktemp -d "${TMPDIR:-/tmp}/farelog-measure.XXXXXX")
SERVER=

cleanup() {
    local status=$?
    trap - EXIT
    stop
    ((status == 0)) || tail -n 20 "$WORK/server.log" >&2 || true
    rm -rf "$WORK"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

start() {
    rm -f "$WORK/data/http.addr"
    "$FARELOG" serve --listen 127.0.0.1:0 --data-dir "$WORK/data" --log-filter warn 2>> "$WORK/server.log" &
    SERVER=$!
    until [[ -s $WORK/data/http.addr ]]; do
        kill -0 "$SERVER" 2> /dev/null || { echo "the server ended" >&2; exit 1; }
        sleep 0.01
    done
    export FARELOG_SERVER FARELOG_DATA_DIR=$WORK/data
    FARELOG_SERVER=http://$(< "$WORK/data/http.addr")
    until curl --silent --fail --output /dev/null "$FARELOG_SERVER/health/ready"; do sleep 0.02; done
}

stop() {
    [[ -z $SERVER ]] || { kill -TERM "$SERVER" 2> /dev/null && wait "$SERVER" || true; }
    SERVER=
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }
per_second() { echo $(($1 * 1000 / ($2 > 0 ? $2 : 1))); }
kibibytes() { sed -n "s/^$1:[^0-9]*\([0-9]*\).*/\1/p" "/proc/$SERVER/status"; }
bytes_below() { du --summarize --bytes "$WORK/data/$1" | cut -f1; }
row() { printf '%-56s %16s\n' "$1" "$2"; }

python3 samples/multiply.py "$EVENTS" > "$WORK/events.ndjson"
JSON_BYTES=$(stat --format %s "$WORK/events.ndjson")
start
for program in samples/programs/*.toml; do "$FARELOG" program publish "$program" > /dev/null; done

began=$(milliseconds)
"$FARELOG" publish "$WORK/events.ndjson" --output json > "$WORK/published.json"
published=$(($(milliseconds) - began))
sequence=$(grep -oE '"lastStreamSequence": *[0-9]+' "$WORK/published.json" | grep -oE '[0-9]+$')
until curl --silent --fail --output /dev/null \
    "$FARELOG_SERVER/personalisation/v1/transactions?orderId=BERGEN01&minStreamSequence=$sequence&timeoutMs=30000"; do :; done
visible=$(($(milliseconds) - began))
records=$(curl --silent "$FARELOG_SERVER/v1/operate/log/stats" | grep -oE '"lastPosition": *[0-9]+' | grep -oE '[0-9]+$')
resident=$(kibibytes VmRSS)
resident_most=$(kibibytes VmHWM)
log_bytes=$(bytes_below log)
projections_bytes=$(bytes_below projections)

stop
rm -rf "$WORK/data/projections"
began=$(milliseconds)
start
rebuilt=$(($(milliseconds) - began))
rebuild_most=$(kibibytes VmHWM)
kill -KILL "$SERVER"
wait "$SERVER" 2> /dev/null || true
began=$(milliseconds)
start
restarted=$(($(milliseconds) - began))

echo "$(nproc) cores, $(stat --file-system --format %T "$WORK") file system, $(nats-server --version 2> /dev/null || /usr/sbin/nats-server --version)"
row "events published, $((JSON_BYTES / EVENTS)) bytes of JSON each" "$EVENTS"
row "records in the log (without repeats, with dead letters)" "$records"
row "published and acknowledged by JetStream" "$(per_second "$EVENTS" "$published")/s"
row "the whole way, until visible to a query" "$(per_second "$EVENTS" "$visible")/s"
row "rebuild of all projections, with the start" "$(per_second "$records" "$rebuilt")/s"
row "start after kill -9, until ready" "$restarted ms"
row "resident memory after ingesting" "$((resident / 1024)) MiB"
row "resident memory at most" "$((resident_most / 1024)) MiB"
row "resident memory at most in the rebuild" "$((rebuild_most / 1024)) MiB"
row "log on disk, per record" "$((log_bytes / records)) bytes"
row "projections on disk, per record" "$((projections_bytes / records)) bytes"
