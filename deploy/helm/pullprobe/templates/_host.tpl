{{/* What of the node the agent sees, and what it must not see of that. */}}
{{- define "pullprobe.hostMounts" -}}
{{- if eq .Values.host.mode "full" }}
# Mounts that appear on the node later appear here too.
- {name: host, mountPath: /host, readOnly: true, mountPropagation: HostToContainer}
{{- else }}
{{- range $i, $directory := .Values.host.directories }}
- {name: host-{{ $i }}, mountPath: {{ printf "/host%s" (default $directory.path $directory.as) | quote }}, readOnly: true}
{{- end }}
{{- end }}
{{- range .Values.host.hidden }}
- {name: hidden, mountPath: {{ printf "/host%s" . | quote }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "pullprobe.hostVolumes" -}}
{{- if eq .Values.host.mode "full" }}
- name: host
  hostPath: {path: /, type: Directory}
{{- else }}
{{- range $i, $directory := .Values.host.directories }}
- name: host-{{ $i }}
  hostPath: {path: {{ $directory.path | quote }}, type: Directory}
{{- end }}
{{- end }}
{{- if .Values.host.hidden }}
- name: hidden
  emptyDir: {}
{{- end }}
{{- end }}

{{/* Not empty: the agent may make requests that a registry counts as a pull. */}}
{{- define "pullprobe.spends" -}}
{{- if gt (int (dig "probe" "counted_pulls_per_hour" 0 .Values.config)) 0 }}yes{{ end }}
{{- end }}

{{/* Not empty: the agent runs credential providers of the node. */}}
{{- define "pullprobe.runsProviders" -}}
{{- if dig "credentials" "provider_config" "" .Values.config }}yes{{ end }}
{{- end }}
