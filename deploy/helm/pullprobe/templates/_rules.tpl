{{/* A number as people write it: Go would write 86400 as 86400 and 1209600 as 1.2096e+06. */}}
{{- define "pullprobe.number" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ int64 . }}{{ else }}{{ . }}{{ end }}
{{- end }}

{{/* The groups of deploy/mixin/rules.yaml, with what the values set. deploy/mixin does the same in jsonnet. */}}
{{- define "pullprobe.rules" -}}
{{- $values := .Values.prometheusRule -}}
{{- $fill := dict "selector" $values.selector "job" $values.job "runbooks" $values.runbooks "keep" "" "alike" "" -}}
{{- range $values.keep }}{{ $_ := set $fill "keep" (printf "%s%s, " $fill.keep .) }}{{ end -}}
{{- range $values.alike }}{{ $_ := set $fill "alike" (printf "%s%s, " $fill.alike .) }}{{ end -}}
{{- range $name, $value := $values.thresholds }}{{ $_ := set $fill $name (include "pullprobe.number" $value) }}{{ end -}}
{{- $text := .Files.Get "files/rules.yaml" -}}
{{- range $name, $value := $fill }}{{ $text = replace (printf "@%s@" $name) $value $text }}{{ end -}}
{{- /* Where nothing is set, a matcher or a label is left out with its comma. */ -}}
{{- $text = $text | replace ", }" "}" | replace "{}" "" | replace ", )" ")" -}}
{{- $known := dict -}}
{{- $groups := list -}}
{{- range $group := (fromYaml $text).groups -}}
{{- $rules := list -}}
{{- range $rule := $group.rules -}}
{{- if $rule.alert -}}
{{- $_ := set $known $rule.alert true -}}
{{- $own := dig $rule.alert dict $values.alerts -}}
{{- range $key := list "for" "keep_firing_for" }}{{ with get $own $key }}{{ $_ := set $rule $key . }}{{ end }}{{ end -}}
{{- with $own.severity }}{{ $_ := set $rule.labels "severity" . }}{{ end -}}
{{- $_ := set $rule "labels" (merge (dict) (default dict $own.labels) $rule.labels $values.alertLabels) -}}
{{- if ne (toString $own.enabled) "false" }}{{ $rules = append $rules $rule }}{{ end -}}
{{- else -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- if $rules }}{{ $groups = append $groups (dict "name" $group.name "rules" $rules) }}{{ end -}}
{{- end -}}
{{- range $name, $own := $values.alerts -}}
{{- if not (hasKey $known $name) }}{{ fail (printf "prometheusRule.alerts: there is no alert %s: docs/alerts.md lists them" $name) }}{{ end -}}
{{- end -}}
{{- toYaml (dict "groups" $groups) }}
{{- end }}
