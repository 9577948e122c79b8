#!/usr/bin/env bash
# Makes the environment that `make demo` and `make test` run in: setup.sh VENV
set -euo pipefail
venv=$1
python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null; then python=$candidate; break; fi
  done
fi
[ -n "$python" ] || { echo "rewardsvc needs Python 3.11 or later." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "rewardsvc needs Python 3.11 or later; $python is $("$python" -V)." >&2; exit 1; }

if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  # Debian splits venv from Python.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
  else
    echo "Python's venv module is missing (Debian: apt-get install python3-venv)." >&2; exit 1
  fi
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
echo "Installing into $venv; the first time this takes some minutes."
# torch first and alone: resolved together with the rest, pip may take a newer build with CUDA.
"$venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]'
