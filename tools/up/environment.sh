#!/bin/sh
# Install a requirements file into .venv, which is made first where there is none.
set -eu

find_python() {
    for python in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        # A name may be a version manager's stand-in for nothing, so each is tried.
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "No Python 3.11 or newer was found: install one, then run this again." >&2
    exit 1
}

make_venv() {
    "$1" -m venv --clear .venv >/dev/null 2>&1 && return
    rm -rf .venv
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    root=
    [ "$(id -u)" -eq 0 ] || root='sudo -n'
    echo "installing $package ..." >&2
    # The list is read first, for a new machine has none.
    if ! { $root apt-get update && $root sh tools/servers/apt-install.sh "$package"; } >/dev/null 2>&1; then
        echo "$1 cannot make a virtual environment: install $package (Debian, Ubuntu)." >&2
        exit 1
    fi
    "$1" -m venv --clear .venv
}

if ! .venv/bin/python -c '' 2>/dev/null; then
    python="$(find_python)"
    echo "making .venv with $python ..." >&2
    make_venv "$python"
fi
echo "installing $1 ..." >&2
.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r "$1"
