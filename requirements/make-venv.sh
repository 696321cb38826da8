#!/bin/sh
# Makes the virtual environment $1 with $PYTHON (python3 by default), or says what is missing.
set -eu

venv=$1
python=${PYTHON:-python3}

fail() {
  printf '\n%s\n\n' "$1" >&2
  exit 1
}

command -v "$python" >/dev/null 2>&1 || fail "Switchyard needs Python 3.11 or later, and '$python' \
is not on this machine. On Debian 12 or later: apt-get install python3 python3-venv. \
Another interpreter: make PYTHON=/path/to/python3."

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Switchyard needs Python \
3.11 or later; '$python' is $("$python" -V 2>&1). Name a newer one: make PYTHON=python3.12 ..."

"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "This Python cannot make virtual \
environments: its venv or ensurepip module is missing. On Debian: apt-get install python3-venv."

# Half an environment must not pass for a whole one.
trap 'rm -rf "$venv"; exit 130' INT TERM HUP
"$python" -m venv --clear "$venv" || { rm -rf "$venv"; fail "Could not make $venv (see above)."; }
