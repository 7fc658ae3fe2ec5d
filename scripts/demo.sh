#!/usr/bin/env bash
# Shows a day of public-transport sales from end to end, and checks what it shows.
#
#   scripts/demo.sh           runs farelog on free ports in a temporary directory, and leaves nothing behind
#   KEEP=1 scripts/demo.sh    leaves the server up at the end, and says where
#
# FARELOG_BIN names the binary (target/release/farelog by default). Exit code 0 only if each thing shown is as expected.
set -euo pipefail
cd "$(dirname "$0")/.."

FARELOG=${FARELOG_BIN:-target/release/farelog}
# What is set for another server must not reach this one.
unset "${!FARELOG_@}"
[[ -x $FARELOG ]] || { echo "there is no $FARELOG; run: make demo" >&2; exit 1; }
WORK=$(mktemp -d "${TMPDIR:-/tmp}/farelog-demo.XXXXXX")
SERVER=

cleanup() {
    local status=$?
    trap - EXIT
    if [[ -n $SERVER && -z ${KEPT:-} ]] && kill -TERM "$SERVER" 2> /dev/null; then
        wait "$SERVER" || true
    fi
    if ((status != 0)); then
        echo "The demonstration failed. The last lines of the server's log:" >&2
        tail -n 20 "$WORK/server.log" >&2 || true
    fi
    [[ -n ${KEPT:-} ]] || rm -rf "$WORK"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# How wide tables are: what is looked for below fits into its column.
export COLUMNS=120

heading() { printf '\n\033[1m%s\033[0m\n' "$*"; }

# Runs a farelog command as a person would, shows it with its output, and keeps the output in $SHOWN. The first
# argument is the exit code that is expected.
run() {
    local expected=$1 status=0
    shift
    printf '\n$ farelog %s\n' "$*"
    SHOWN=$("$FARELOG" "$@" 2>&1) || status=$?
    printf '%s\n' "$SHOWN"
    ((status == expected)) || fail "the exit code is $status, expected was $expected"
}

# The same for a request to the HTTP interface, of whose answer the beginning is shown.
ask() {
    local word words=()
    for word in "$@"; do
        if [[ $word == *[^A-Za-z0-9_./:-]* ]]; then words+=("${word@Q}"); else words+=("$word"); fi
    done
    printf '\n$ curl %s\n' "${words[*]}"
    SHOWN=$(curl --silent --show-error --fail-with-body -H 'ET-Client-Name: farelog-demo' "$@") || fail "$SHOWN"
    printf '%.640s…\n' "$SHOWN"
}

# Expects a text in what was shown last.
expect() { grep -qF -- "$1" <<< "$SHOWN" || fail "expected to see: $1"; }

# Expects a text a number of times in what was shown last.
expect_times() {
    local times
    times=$(grep -oF -- "$2" <<< "$SHOWN" | wc -l)
    ((times == $1)) || fail "expected to see $1 times, not $times: $2"
}

fail() {
    printf '\nNot as expected: %s\n' "$*" >&2
    exit 1
}

# Waits until the server has written a file that says where it is, and prints what stands in it.
content_of() {
    for ((tries = 0; tries < 300; tries++)); do
        [[ ! -s $1 ]] || { cat "$1"; return; }
        kill -0 "$SERVER" 2> /dev/null || fail "the server ended"
        sleep 0.1
    done
    fail "the server did not start within 30 s"
}

heading "1. A server with its own NATS, on free ports"
export FARELOG_DATA_DIR=$WORK/data
"$FARELOG" serve --listen 127.0.0.1:0 > "$WORK/server.log" 2>&1 &
SERVER=$!
ADDRESS=$(content_of "$WORK/data/http.addr")
export FARELOG_SERVER=http://$ADDRESS
NATS_URL=$(content_of "$WORK/data/nats/url")
echo "HTTP at $FARELOG_SERVER, NATS at $NATS_URL"
curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors "$FARELOG_SERVER/health/ready" > /dev/null

heading "2. Five loyalty programs, published from their documents"
for program in samples/programs/*.toml; do
    run 0 program publish "$program"
    expect "published"
done
run 0 program list
expect_times 5 "yes"

heading "3. A day of sales: members, orders, payments, refunds, repeats, and some broken messages"
run 0 publish samples/day.ndjson
expect "$(wc -l < samples/day.ndjson | sed 's/\(.*\)\(...\)/\1,\2/') events published"
SEQUENCE=$(grep -oE 'sequence [0-9]+' <<< "$SHOWN" | grep -oE '[0-9]+')

heading "4. An order: 399 kroner give 39 points; after 100 kroner are paid back, 29 count"
run 0 order BERGEN01 --min-stream-sequence "$SEQUENCE"
expect "100.00 NOK of line BERGEN01-1 were paid back."
run 0 member transactions --program points-per-krone --customer 2000001 --order BERGEN01
expect "39"
expect "29"
expect_times 1 "counts"
expect_times 1 "cancelled"

heading "5. The log, and how far the stream was read"
run 0 log stats
expect "ORDERS, read to sequence $SEQUENCE"

heading "6. Points after the fact: first refused, for she is no member; then tried, then given, once"
REGISTRATION=(--program points-per-krone --order TRONDHM2 --line TRONDHM2-1 --customer 2000002)
run 3 replay register "${REGISTRATION[@]}"
expect "customer-not-member"
run 0 member enroll --program points-per-krone --customer 2000002 --metadata level=BLUE
expect "active"
run 0 replay register "${REGISTRATION[@]}" --dry-run
expect "dry run: nothing was recorded"
expect "54"
run 0 replay register "${REGISTRATION[@]}"
expect "54"
run 0 replay register "${REGISTRATION[@]}"
expect "nothing was changed"
run 3 replay register --program points-per-krone --order CANCEL04 --line CANCEL04-1 --customer 2000002
expect "line-cancelled"
run 3 replay register --program thirty-days-back --order NOBODY03 --line NOBODY03-1 --customer 2000001
expect "window-closed"

heading "7. Tickets for a family: generated, sent to the ticket system, and nothing sent twice"
DISTRIBUTIONS=$FARELOG_SERVER/sales/v1/ticket-distributions/FAMILY05
HEADERS=(-H 'Entur-Distribution-Channel: ENT:DistributionChannel:App' -H 'Entur-Pos: AppShop')
ask -X POST "${HEADERS[@]}" "$DISTRIBUTIONS/generate"
expect_times 4 '"status":"GENERATED"'
DISTRIBUTE=$FARELOG_SERVER/sales/v1/ticket-distribution-groups/FAMILY05/distribute
ask -X POST "${HEADERS[@]}" -H 'content-type: application/json' -d '{}' "$DISTRIBUTE"
expect_times 4 '"status":"REQUESTED"'
FIRST=$SHOWN
ask -X POST "${HEADERS[@]}" -H 'content-type: application/json' -d '{}' "$DISTRIBUTE"
[[ $SHOWN == "$FIRST" ]] || fail "distributing again changed something"
run 0 order FAMILY05

heading "8. What could not be read is kept, with the reason"
run 0 dead-letters list
for reason in not-readable no-type malformed-field reserved-type unknown-program conflicting-duplicate; do
    expect "$reason"
done
LETTER=$(grep -F "not-readable" <<< "$SHOWN" | grep -oE '[0-9]+' | head -n 1)
run 0 dead-letters show "$LETTER"
expect "not-readable"
run 0 dead-letters discard "$LETTER"

if [[ -n ${KEEP:-} ]]; then
    KEPT=1
    heading "All of it was as expected. The server is still up:"
    cat << END
  HTTP          $FARELOG_SERVER
  description   $FARELOG_SERVER/openapi.json
  NATS          $NATS_URL
  data          $WORK/data
  commands      export FARELOG_SERVER=$FARELOG_SERVER FARELOG_DATA_DIR=$WORK/data
  stop it with  kill $SERVER; rm -r $WORK
END
    exit 0
fi

heading "9. The server is stopped; the same questions to its files"
kill -TERM "$SERVER"
wait "$SERVER" || fail "the server ended with exit code $?"
SERVER=
run 0 replay register --program points-per-krone --order NOBODY03 --line NOBODY03-1 --customer 2000002 --offline
expect "counts"
run 0 log stats --offline

heading "All of it was as expected."
