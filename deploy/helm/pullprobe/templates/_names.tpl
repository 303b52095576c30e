{{- define "pullprobe.name" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "pullprobe.selector" -}}
app.kubernetes.io/name: pullprobe
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pullprobe.labels" -}}
{{ include "pullprobe.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "pullprobe.image" -}}
{{ .Values.image.repository }}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "pullprobe.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "pullprobe.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* The settings file: what the user wrote, and what only the chart can know. */}}
{{- define "pullprobe.config" -}}
{{- $node := dict "host_root" "/host" -}}
{{- if .Values.host.allowUnconfined }}{{ $_ := set $node "allow_unconfined" true }}{{ end -}}
{{- $ours := dict "node" $node -}}
{{- $web := dict "listen" (list (printf ":%d" (int .Values.port))) -}}
{{- if .Values.webConfig.secretName }}{{- $_ := set $web "config_file" "/etc/pullprobe-web/web.yaml" }}{{- end -}}
{{- if .Values.metrics.bucketKeySecret.name -}}
{{- $_ := set $ours "metrics" (dict "bucket_key_file" (printf "/etc/pullprobe-buckets/%s" .Values.metrics.bucketKeySecret.key)) -}}
{{- end -}}
{{- $defaults := dict "web" $web -}}
{{- $signals := dict -}}
{{- if .Values.rbac.nodeCondition }}{{ $_ := set $signals "node_condition" true }}{{ end -}}
{{- if .Values.rbac.events }}{{ $_ := set $signals "events" true }}{{ end -}}
{{- if $signals }}{{ $_ := set $defaults "signals" $signals }}{{ end -}}
{{- /* With a token the agent would ask for pods, and it may not. */}}
{{- if and $signals (not .Values.rbac.pods) }}{{ $_ := set $defaults "targets" (dict "discover" (dict "waiting_pods" false)) }}{{ end -}}
{{- toYaml (mergeOverwrite $defaults (deepCopy .Values.config) $ours) }}
{{- end }}

{{/* Whether the agent has a token for the Kubernetes API. */}}
{{- define "pullprobe.asksApi" -}}
{{- if or .Values.rbac.pods .Values.rbac.nodeCondition .Values.rbac.events }}true{{ end }}
{{- end }}
