#!/usr/bin/env bash
# Renders the chart with real Helm into the manifest for plain kubectl, its values into the table of the documentation, and its
# rules for plain Prometheus.
#
#   deploy/render.sh [MANIFEST [TABLE [RULES [JSON]]]]
#
# Default: deploy/manifests/pullprobe.yaml docs/chart.md deploy/alerts/pullprobe.yaml deploy/mixin/rules.json
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
output=${1:-$root/deploy/manifests/pullprobe.yaml}
table=${2:-$root/docs/chart.md}
rules=${3:-$root/deploy/alerts/pullprobe.yaml}
json=${4:-$root/deploy/mixin/rules.json}
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
values=$("$python" "$root/tests/tools/chart_values.py" "$root/deploy/helm/pullprobe")
printf '%s\n' "$values" >"$table"

"$python" "$root/tests/tools/helm_render.py" objects "$root/deploy/helm/pullprobe" \
  --values <(echo 'prometheusRule: {enabled: true}') |
  jq '.[] | select(.kind == "PrometheusRule") | .spec' |
  "$python" -c '
import json, sys, yaml

def text(dumper, data):
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)

yaml.SafeDumper.add_representer(str, text)
ORDER = ["record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations", "summary", "description", "runbook_url"]
rules = json.load(sys.stdin, object_pairs_hook=lambda pairs: dict(sorted(pairs, key=lambda pair: ORDER.index(pair[0]) if pair[0] in ORDER else -1)))
print("# Rendered from deploy/mixin/rules.yaml with the defaults of the chart by deploy/render.sh: change those, not this file.")
print("# Another threshold, selector or severity: prometheusRule of the chart, or _config of deploy/mixin.")
yaml.safe_dump(rules, sys.stdout, sort_keys=False, width=1000, allow_unicode=True)
' >"$rules"

# For jsonnet, with its names still to be filled in.
"$python" -c 'import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout, indent=1); print()' \
  <"$root/deploy/mixin/rules.yaml" >"$json"
