#!/usr/bin/env bash
# Renders the chart with real Helm into the manifest for plain kubectl, and its values into the table of the documentation.
#
#   deploy/render.sh [OUTPUT [TABLE]]      default: deploy/manifests/pullprobe.yaml and docs/chart.md
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=${1:-$root/deploy/manifests/pullprobe.yaml}
table=${2:-$root/docs/chart.md}
python=$root/target/venv/bin/python
[[ -x $python ]] || { echo "$0: Helm is missing: run tests/tools/install.sh" >&2; exit 1; }

# The pod of `helm test` is for Helm.
rendered=$("$python" "$root/tests/tools/helm_render.py" render "$root/deploy/helm/pullprobe" \
  --values <(echo '{namespace: {create: true}, tests: {enabled: false}}'))
cat >"$output" <<END
# Rendered from deploy/helm/pullprobe by deploy/render.sh: change the chart, not this file.
#
#   kubectl apply -f deploy/manifests/pullprobe.yaml
#
# After a change of the settings in the ConfigMap:
#
#   kubectl -n pullprobe rollout restart daemonset pullprobe
$rendered
END
"$python" "$root/tests/tools/chart_values.py" "$root/deploy/helm/pullprobe" >"$table"
