#!/usr/bin/env bash
# Generates rewardsvc/v1 from the protos; with --check, fails if the committed stubs are stale.
# grpcio-tools lives in an environment of its own: its protobuf is older than the server's,
# on purpose, so that the stubs run on protobuf 5.29 to 7.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=.tools/protoc
if [ ! -x "$tools/bin/python" ] || ! "$tools/bin/python" -c 'import grpc_tools' 2>/dev/null; then
  "${PYTHON:-python3.11}" -m venv "$tools"
  "$tools/bin/pip" install --quiet grpcio-tools==1.71.2 googleapis-common-protos==1.75.0
fi
site=$("$tools/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
mkdir -p .tools/googleapis/google/rpc
cp "$site/google/rpc/status.proto" .tools/googleapis/google/rpc/
out=.
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi
"$tools/bin/python" -m grpc_tools.protoc -Iprotos -I"$site" \
  --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" protos/rewardsvc/v1/*.proto
if [ "${1:-}" = --check ]; then
  diff -r --exclude=__init__.py --exclude=__pycache__ "$out/rewardsvc/v1" rewardsvc/v1 ||
    { echo "rewardsvc/v1 is stale: run 'make protos' and commit the result." >&2; exit 1; }
  echo "rewardsvc/v1 is fresh."
fi
