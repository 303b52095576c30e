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
{{- toYaml (mergeOverwrite (dict "web" $web) (deepCopy .Values.config) $ours) }}
{{- end }}
