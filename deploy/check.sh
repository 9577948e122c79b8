#!/usr/bin/env bash
# Renders every kustomization, validates the result against Kubernetes' schemas, and loads the
# configuration that the base ships with the service's own checks.
set -euo pipefail
cd "$(dirname "$0")"
command -v kubectl >/dev/null ||
  { echo "deploy/check.sh needs kubectl (Debian: apt-get install kubernetes-client)" >&2; exit 1; }
rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
for file in kustomize/*/kustomization.yaml; do
  folder=$(dirname "$file")
  kubectl kustomize "$folder" >"$rendered"
  kubernetes-validate --strict --kubernetes-version 1.33 "$rendered"
  echo "deploy/$folder: $(grep -c '^kind:' "$rendered") objects are valid"
done
python - <<'PYTHON'
from pathlib import Path

from rewardsvc.config import load_config

load_config(Path("kustomize/base/config.yaml"))
print("deploy/kustomize/base/config.yaml is a valid configuration")
PYTHON
