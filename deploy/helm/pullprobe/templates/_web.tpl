{{/* Not empty: what kubelet asks over HTTP may be refused, or find nobody. */}}
{{- define "pullprobe.probesByExec" -}}
{{- $web := .Values.config.web | default dict -}}
{{- if or .Values.webConfig.secretName $web.config_file }}yes{{ end -}}
{{- range $web.listen }}{{ if not (regexMatch "^(|0\\.0\\.0\\.0|\\[::\\]):" .) }}yes{{ end }}{{ end -}}
{{- end }}

{{/* A probe as its values have it, or by `pullprobe healthcheck`. */}}
{{- define "pullprobe.probe" -}}
{{- if and (hasKey .probe "httpGet") (include "pullprobe.probesByExec" .root) -}}
{{- toYaml (merge (dict "exec" (dict "command" .command)) (omit .probe "httpGet")) -}}
{{- else -}}
{{- toYaml .probe -}}
{{- end -}}
{{- end }}
