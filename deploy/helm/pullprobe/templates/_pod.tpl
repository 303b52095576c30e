{{/* The parts of a pod that the agent and the chart's test have in common. */}}

{{- define "pullprobe.podBase" -}}
# The network, the names and the loopback mirrors that containerd has, not those of a pod.
hostNetwork: true
dnsPolicy: Default
hostPID: false
hostIPC: false
serviceAccountName: {{ include "pullprobe.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  # User 0, because client keys and kubelet's config.json belong to root and are 0600. Without
  # capabilities root is no more than their owner: it cannot pass over permissions, trace a
  # process or change the network.
  runAsUser: 0
  runAsGroup: 0
  runAsNonRoot: false
  seccompProfile: {type: RuntimeDefault}
  {{- with .Values.seLinuxOptions }}
  seLinuxOptions: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "pullprobe.env" -}}
env:
  - name: NODE_NAME
    valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
  # For what is run by hand in the pod: it is about the node, not about the pod's own files.
  - {name: PULLPROBE_CONFIG, value: /etc/pullprobe/config.yaml}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "pullprobe.securityContext" -}}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  {{- if include "pullprobe.runsProviders" . }}
  # The plugins find the node's authorities and files inside the node's root.
  capabilities: {drop: [ALL], add: [SYS_CHROOT]}
  {{- else }}
  capabilities: {drop: [ALL]}
  {{- end }}
{{- end }}

{{- define "pullprobe.volumeMounts" -}}
volumeMounts:
  - {name: config, mountPath: /etc/pullprobe, readOnly: true}
  {{- include "pullprobe.hostMounts" . | trim | nindent 2 }}
  {{- if include "pullprobe.spends" . }}
  # What was spent must outlive the pod.
  - {name: state, mountPath: /var/lib/pullprobe}
  {{- end }}
  {{- if .Values.metrics.bucketKeySecret.name }}
  - {name: buckets, mountPath: /etc/pullprobe-buckets, readOnly: true}
  {{- end }}
  {{- if include "pullprobe.asksApi" . }}
  - {name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
  {{- end }}
  {{- if .Values.webConfig.secretName }}
  - {name: web-config, mountPath: /etc/pullprobe-web, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "pullprobe.volumes" -}}
volumes:
  - name: config
    configMap: {name: {{ include "pullprobe.name" . }}}
  {{- include "pullprobe.hostVolumes" . | trim | nindent 2 }}
  {{- if include "pullprobe.spends" . }}
  - name: state
    hostPath: {path: {{ .Values.state.path | quote }}, type: DirectoryOrCreate}
  {{- end }}
  {{- if .Values.metrics.bucketKeySecret.name }}
  - name: buckets
    secret: {secretName: {{ .Values.metrics.bucketKeySecret.name | quote }}, defaultMode: 0400}
  {{- end }}
  {{- if include "pullprobe.asksApi" . }}
  # kubelet replaces the token before its hour is over; the agent reads it again.
  - name: token
    projected:
      defaultMode: 0400
      sources:
        - serviceAccountToken: {path: token, expirationSeconds: 3600}
        - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
  {{- end }}
  {{- with .Values.webConfig }}
  {{- if .secretName }}
  # A directory and no single files: what kubelet replaces, the agent reads again.
  - name: web-config
    projected:
      defaultMode: 0400
      sources:
        - secret: {name: {{ .secretName | quote }}}
        {{- range .certificates }}
        - secret: {name: {{ . | quote }}}
        {{- end }}
  {{- end }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
