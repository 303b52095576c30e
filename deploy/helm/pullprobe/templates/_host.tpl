{{/* What of the node the agent sees, and what it must not see of that. */}}

{{/* The cluster's version; a rendering without a cluster has to be told. */}}
{{- define "pullprobe.kubeVersion" -}}
{{- default .Capabilities.KubeVersion.Version .Values.kubeVersionOverride -}}
{{- end }}

{{/* The distribution by its name: as the values say, else by the suffix of the cluster's version. Empty: not known. */}}
{{- define "pullprobe.distribution" -}}
{{- if ne .Values.host.distribution "auto" }}{{ .Values.host.distribution }}
{{- else -}}
{{- $version := include "pullprobe.kubeVersion" . -}}
{{- range $name, $preset := .Files.Get "files/distributions.yaml" | fromYaml -}}
{{- if and $preset.suffix (contains $preset.suffix $version) }}{{ $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The preset of that distribution, as YAML. */}}
{{- define "pullprobe.preset" -}}
{{- index (.Files.Get "files/distributions.yaml" | fromYaml) (include "pullprobe.distribution" . | default "kubeadm") | toYaml -}}
{{- end }}

{{/* The directories of narrow mode: [{path, as}], as YAML. */}}
{{- define "pullprobe.directories" -}}
{{- if .Values.host.directories }}
{{- toYaml .Values.host.directories }}
{{- else }}
{{- range (include "pullprobe.preset" . | fromYaml).directories }}
- path: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What is covered: a list, as YAML. With the whole root only where somebody names the distribution: the suffix of a version does not
     tell where kubelet's directory is, and an entry that is not there keeps the pod from starting. */}}
{{- define "pullprobe.hidden" -}}
{{- $known := and (eq .Values.host.mode "full") (ne .Values.host.distribution "auto") -}}
{{- $narrow := and (eq .Values.host.mode "narrow") (not .Values.host.directories) -}}
{{- $preset := list -}}
{{- if or $known $narrow }}{{ $preset = (include "pullprobe.preset" . | fromYaml).hidden }}{{ end -}}
{{- concat $preset .Values.host.hidden | uniq | toYaml -}}
{{- end }}

{{/* How a mount of the node follows the node's own. Slaves follow unmounts too: another kind keeps the volumes of pods that have
     ended. Kubernetes allows `recursiveReadOnly` with `None` alone. */}}
{{- define "pullprobe.propagation" -}}
{{- $mount := dict "readOnly" true "mountPropagation" .Values.host.mountPropagation -}}
{{- $recursive := .Values.host.recursiveReadOnly -}}
{{- if and (eq $recursive "auto") (eq .Values.host.mountPropagation "None") (semverCompare ">=1.30.0-0" (include "pullprobe.kubeVersion" .)) -}}
{{- $recursive = "IfPossible" -}}
{{- end -}}
{{- if ne $recursive "auto" }}{{ $_ := set $mount "recursiveReadOnly" $recursive }}{{ end -}}
{{- toYaml $mount -}}
{{- end }}

{{- define "pullprobe.hostMounts" -}}
{{- $propagation := include "pullprobe.propagation" . }}
{{- if eq .Values.host.mode "full" }}
- name: host
  mountPath: /host
  {{- $propagation | nindent 2 }}
{{- else }}
{{- range $i, $directory := include "pullprobe.directories" . | fromYamlArray }}
- name: host-{{ $i }}
  mountPath: {{ printf "/host%s" (default $directory.path $directory.as) | quote }}
  {{- $propagation | nindent 2 }}
{{- end }}
{{- end }}
{{- range include "pullprobe.hidden" . | fromYamlArray }}
- {name: hidden, mountPath: {{ printf "/host%s" . | quote }}, readOnly: true}
{{- end }}
{{- end }}

{{- define "pullprobe.hostVolumes" -}}
{{- if eq .Values.host.mode "full" }}
{{- if .Values.host.directories }}
{{- fail "host.directories is for host.mode: narrow; with host.mode: full the whole root is mounted" }}
{{- end }}
- name: host
  hostPath: {path: /, type: Directory}
{{- else }}
{{- range $i, $directory := include "pullprobe.directories" . | fromYamlArray }}
- name: host-{{ $i }}
  hostPath: {path: {{ $directory.path | quote }}, type: Directory}
{{- end }}
{{- end }}
{{- if include "pullprobe.hidden" . | fromYamlArray }}
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
