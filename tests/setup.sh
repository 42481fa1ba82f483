#!/bin/sh
# Gets what the tests need, and does nothing where it is there already:
#   a C compiler, Python's venv module and npm   from Debian's packages (as root; else it says what to install)
#   tests/.cache/venv                            a Python environment with tests/requirements.txt
# usage: tests/setup.sh            prints the environment's python on its last line
set -eu
tests=$(cd "$(dirname "$0")" && pwd)
venv=$tests/.cache/venv
wanted=$tests/requirements.txt

say() { printf 'setup: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

missing=
have cc || missing="$missing gcc libc6-dev"
have npm || missing="$missing npm"
if ! have python3 || ! python3 -c 'import venv, ensurepip' >/dev/null 2>&1; then
    missing="$missing python3 python3-venv"
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        say "needed and not found:$missing"
        say "on Debian or Ubuntu: sudo apt-get install --no-install-recommends$missing"
        exit 1
    fi
    say "apt-get install$missing"
    apt-get update -qq >&2
    # shellcheck disable=SC2086  # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
fi
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "Python 3.11 or newer is needed, this is $(python3 --version)"
    exit 1
}

if ! cmp -s "$wanted" "$venv/installed.txt" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    say "installing $wanted into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --retries 5 \
        --only-binary :all: --requirement "$wanted" >&2
    cp "$wanted" "$venv/installed.txt"
fi
printf '%s\n' "$venv/bin/python"
