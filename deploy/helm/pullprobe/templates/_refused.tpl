{{/* What the schema cannot say: values that do not go together, each refused with what to write instead. */}}
{{- define "pullprobe.refuse" -}}
{{- include "pullprobe.refuseCluster" . -}}
{{- include "pullprobe.refuseListen" . -}}
{{- include "pullprobe.refuseDurations" . -}}
{{- include "pullprobe.refuseRights" . -}}
{{- include "pullprobe.refuseScrapes" . -}}
{{- end }}

{{- define "pullprobe.refuseCluster" -}}
{{- if and .Values.kubeVersionOverride (not (semverCompare .Chart.KubeVersion .Values.kubeVersionOverride)) -}}
{{- fail (printf "kubeVersionOverride: the chart needs Kubernetes %s, and this is %s" .Chart.KubeVersion .Values.kubeVersionOverride) -}}
{{- end -}}
{{- if eq .Values.updateStrategy.type "RollingUpdate" -}}
{{- $rolling := .Values.updateStrategy.rollingUpdate | default dict -}}
{{- if not (has (toString (get $rolling "maxSurge" | default 0)) (list "0" "0%")) -}}
{{- fail "updateStrategy.rollingUpdate.maxSurge has to stay 0: the port is the node's, and two agents cannot be on it. Raise maxUnavailable instead" -}}
{{- end -}}
{{- if and (hasKey $rolling "maxUnavailable") (has (toString $rolling.maxUnavailable) (list "0" "0%")) -}}
{{- fail "updateStrategy.rollingUpdate.maxUnavailable: with 0 no agent could ever be replaced, since maxSurge is 0. Write 1 or more, or a share such as 10%" -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Kubernetes, kubelet and scrapes go by `port`, the agent by `config.web.listen`. */}}
{{- define "pullprobe.refuseListen" -}}
{{- $listen := dig "web" "listen" list .Values.config -}}
{{- $reached := list -}}
{{- range $listen }}{{ if not (regexMatch "^(127\\.|\\[::1\\]:)" .) }}{{ $reached = append $reached . }}{{ end }}{{ end -}}
{{- $ports := list -}}
{{- range ($reached | default $listen) }}{{ $ports = append $ports (int (regexFind "[0-9]+$" .)) }}{{ end -}}
{{- if and $ports (not (has (int .Values.port) $ports)) -}}
{{- fail (printf "config.web.listen has no address with port %d, which kubelet and scrapes go by: set `port: %d` instead, and leave config.web.listen out where it is every address of the node" (int .Values.port) (first $ports)) -}}
{{- end -}}
{{- range $i, $wide := $listen -}}
{{- range $j, $other := $listen -}}
{{- $same := eq (int (regexFind "[0-9]+$" $wide)) (int (regexFind "[0-9]+$" $other)) -}}
{{- $covers := or (regexMatch "^(|\\[::\\]):" $wide) (and (hasPrefix "0.0.0.0:" $wide) (not (hasPrefix "[" $other))) -}}
{{- if and (ne $i $j) $same $covers -}}
{{- fail (printf "config.web.listen: %s covers %s: leave one of them out" $wide $other) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Settings that need a right which nobody gave, and switches that give none. */}}
{{- define "pullprobe.refuseRights" -}}
{{- $signals := .Values.config.signals | default dict -}}
{{- if and $signals.node_condition (not .Values.rbac.nodeCondition) -}}
{{- fail "config.signals.node_condition needs the right to report it: set rbac.nodeCondition: true instead, which also switches it on" -}}
{{- end -}}
{{- if and $signals.events (not .Values.rbac.events) -}}
{{- fail "config.signals.events needs the right to write them: set rbac.events: true instead, which also switches them on" -}}
{{- end -}}
{{- $discover := dig "targets" "discover" dict .Values.config -}}
{{- range list "waiting_pods" "node_pods" -}}
{{- if and (get $discover .) (not $.Values.rbac.pods) -}}
{{- fail (printf "config.targets.discover.%s needs the right to list pods: set rbac.pods: true" .) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.userRole.exec (not .Values.userRole.create) -}}
{{- fail "userRole.exec adds to the roles of userRole.create: set userRole.create: true too" -}}
{{- end -}}
{{- $web := .Values.config.web | default dict -}}
{{- if and (eq (toString $web.report) "authenticated") (not (or .Values.webConfig.secretName $web.config_file)) -}}
{{- fail "config.web.report: authenticated needs passwords or client certificates: set webConfig.secretName" -}}
{{- end -}}
{{- if and .Values.webConfig.certificates (not .Values.webConfig.secretName) -}}
{{- fail "webConfig.certificates stand beside the web configuration file: set webConfig.secretName too" -}}
{{- end -}}
{{- end }}

{{/* How many milliseconds a duration has, which the schema has seen to be one. */}}
{{- define "pullprobe.millis" -}}
{{- $sum := 0 -}}
{{- $worth := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $number := regexReplaceAll "^0+([0-9])" (regexFind "[0-9]+" .) "${1}" -}}
{{- $sum = add $sum (mul (int64 $number) (get $worth (regexFind "[a-z]+" .))) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* The schema sees how a duration is written, and this how long it is. */}}
{{- define "pullprobe.refuseDurations" -}}
{{- $probe := .Values.config.probe | default dict -}}
{{- $all := list (dict "key" "probe.interval" "found" $probe.interval "least" "5s" "most" "24h") -}}
{{- range $i, $image := dig "targets" "images" list .Values.config -}}
{{- $all = append $all (dict "key" (printf "targets.images[%d].interval" $i) "found" $image.interval "least" "5s" "most" "24h") -}}
{{- end -}}
{{- range list "dns" "tcp" "tls" "http" -}}
{{- $all = append $all (dict "key" (printf "probe.timeouts.%s" .) "found" (dig "timeouts" . "" $probe) "least" "100ms" "most" "1m") -}}
{{- end -}}
{{- $wrong := list -}}
{{- range $all -}}
{{- $millis := include "pullprobe.millis" (.found | default .least) | int64 -}}
{{- if or (lt $millis (include "pullprobe.millis" .least | int64)) (gt $millis (include "pullprobe.millis" .most | int64)) -}}
{{- $wrong = append $wrong (printf "config.%s: found %s, allowed: a duration from %s to %s" .key .found .least .most) -}}
{{- end -}}
{{- end -}}
{{- if $wrong }}{{ fail (join "; " $wrong) }}{{ end -}}
{{- end }}

{{- define "pullprobe.refuseScrapes" -}}
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled -}}
{{- fail "podMonitor and serviceMonitor: with both every series is there twice. Enable one of them" -}}
{{- end -}}
{{- if .Values.webConfig.secretName -}}
{{- if .Values.podMonitoring.enabled -}}
{{- fail "podMonitoring cannot scrape a port that webConfig.secretName protects: use podMonitor or serviceMonitor with scheme, tlsConfig and basicAuth" -}}
{{- end -}}
{{- if .Values.prometheusAnnotations -}}
{{- fail "prometheusAnnotations cannot scrape a port that webConfig.secretName protects: use podMonitor or serviceMonitor with scheme, tlsConfig and basicAuth" -}}
{{- end -}}
{{- end -}}
{{- $reached := false -}}
{{- range dig "web" "listen" (list ":") .Values.config }}{{ if not (regexMatch "^(127\\.|\\[::1\\]:)" .) }}{{ $reached = true }}{{ end }}{{ end -}}
{{- range $name, $enabled := dict "podMonitor" .Values.podMonitor.enabled "serviceMonitor" .Values.serviceMonitor.enabled "podMonitoring" .Values.podMonitoring.enabled "prometheusAnnotations" .Values.prometheusAnnotations -}}
{{- if and $enabled (not $reached) -}}
{{- fail (printf "%s cannot scrape a port that config.web.listen keeps on loopback: add an address of the node, or leave the scrape out" $name) -}}
{{- end -}}
{{- end -}}
{{- $timeouts := dict "podMonitor" "scrapeTimeout" "serviceMonitor" "scrapeTimeout" "podMonitoring" "timeout" -}}
{{- range $name, $timeout := $timeouts -}}
{{- $own := get $.Values $name -}}
{{- if and $own.enabled (gt (include "pullprobe.millis" (get $own $timeout) | int64) (include "pullprobe.millis" $own.interval | int64)) -}}
{{- fail (printf "%s.%s: %s is longer than its interval, %s" $name $timeout (get $own $timeout) $own.interval) -}}
{{- end -}}
{{- end -}}
{{- end }}
