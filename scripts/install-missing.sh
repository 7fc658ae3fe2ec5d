#!/bin/sh
# Installs programs with the system's package manager, where they are missing: install-missing.sh nats-server curl …
#
# A program's package has the program's name. Says nothing where all are there. Where one can't be installed: one sentence
# on stderr, exit code 1.
set -eu

# Packages put nats-server in /usr/sbin, which a plain user's PATH often lacks; farelog looks there too.
PATH="$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin"

fail() {
    case "$missing" in
        *nats-server*) hint="; nats-server is also at https://github.com/nats-io/nats-server/releases, to be put in PATH" ;;
        *) hint="" ;;
    esac
    echo "install-missing: $1; install by hand:$missing$hint" >&2
    exit 1
}

missing=""
for program in "$@"; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
[ -n "$missing" ] || exit 0

# How a command is run as root.
if [ "$(id -u)" -eq 0 ]; then
    root=""
elif command -v sudo >/dev/null; then
    root="sudo"
else
    root="none"
fi

# Unquoted below on purpose: one word for each package.
apt_get_install() {
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
}

# shellcheck disable=SC2086
if command -v brew >/dev/null; then
    install() { brew install $missing; }
elif [ "$root" = none ]; then
    fail "packages can only be installed as root, and there is no sudo"
elif command -v apt-get >/dev/null; then
    # The lists of a fresh machine or container may be missing or old.
    install() { apt_get_install || { $root apt-get update && apt_get_install; }; }
elif command -v dnf >/dev/null; then
    install() { $root dnf install -y $missing; }
elif command -v apk >/dev/null; then
    install() { $root apk add $missing; }
else
    fail "none of apt-get, dnf, apk and brew is here"
fi

echo "installing:$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What the package manager says only matters where it fails; sudo asks on the terminal by itself.
if ! install >"$log" 2>&1; then
    cat "$log" >&2
    fail "the package manager could not install them"
fi
for program in $missing; do
    command -v "$program" >/dev/null || fail "the packages were installed, but $program is not in PATH"
done
