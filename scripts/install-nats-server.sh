#!/bin/sh
# Installs nats-server with the system's package manager, where it is missing.
#
# Says nothing where it is there. Where it can't be installed: one sentence on stderr, exit code 1.
set -eu

fail() {
    echo "install-nats-server: $1; get nats-server from https://github.com/nats-io/nats-server/releases and put it in PATH" >&2
    exit 1
}

# Packages put it in /usr/sbin, which a plain user's PATH often lacks; farelog looks there too.
PATH="$PATH:/usr/sbin:/usr/local/bin:/usr/local/sbin:/opt/homebrew/bin"
command -v nats-server >/dev/null && exit 0

# How a command is run as root.
if [ "$(id -u)" -eq 0 ]; then
    root=""
elif command -v sudo >/dev/null; then
    root="sudo"
else
    root="none"
fi

apt_get_install() {
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nats-server
}

if command -v brew >/dev/null; then
    install() { brew install nats-server; }
elif [ "$root" = none ]; then
    fail "a package can only be installed as root, and there is no sudo"
elif command -v apt-get >/dev/null; then
    # The lists of a fresh machine or container may be missing or old.
    install() { apt_get_install || { $root apt-get update && apt_get_install; }; }
elif command -v dnf >/dev/null; then
    install() { $root dnf install -y nats-server; }
elif command -v apk >/dev/null; then
    install() { $root apk add nats-server; }
else
    fail "none of apt-get, dnf, apk and brew is here"
fi

echo "installing nats-server" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# What the package manager says only matters where it fails; sudo asks on the terminal by itself.
if ! install >"$log" 2>&1; then
    cat "$log" >&2
    fail "the package manager could not install it"
fi
command -v nats-server >/dev/null || fail "the package was installed, but nats-server is not in PATH"
