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

{{/* What goes by `port`: probes that kubelet makes over the network, objects for a scrape, and the Service. */}}
{{- define "pullprobe.goesByPort" -}}
{{- $root := . -}}
{{- $all := list -}}
{{- range $name := list "livenessProbe" "readinessProbe" -}}
{{- $probe := get $root.Values $name | default dict -}}
{{- $asks := list $probe.tcpSocket -}}
{{- if not (include "pullprobe.probesByExec" $root) }}{{ $asks = append $asks $probe.httpGet }}{{ end -}}
{{- range compact $asks -}}
{{- if and (not .host) (has (toString .port) (list "metrics" (toString (int $root.Values.port)))) }}{{ $all = append $all $name }}{{ end -}}
{{- end -}}
{{- end -}}
{{- range list "podMonitor" "serviceMonitor" "podMonitoring" "service" -}}
{{- if (get $root.Values .).enabled }}{{ $all = append $all . }}{{ end -}}
{{- end -}}
{{- if .Values.prometheusAnnotations }}{{ $all = append $all "prometheusAnnotations" }}{{ end -}}
{{- join ", " $all -}}
{{- end }}

{{/* Kubernetes, kubelet and scrapes go by `port`, the agent by `config.web.listen`. */}}
{{- define "pullprobe.refuseListen" -}}
{{- $listen := dig "web" "listen" list .Values.config -}}
{{- $reached := list -}}
{{- range $listen }}{{ if not (regexMatch "^(127\\.|\\[::1\\]:)" .) }}{{ $reached = append $reached . }}{{ end }}{{ end -}}
{{- range $name, $enabled := dict "podMonitor" .Values.podMonitor.enabled "serviceMonitor" .Values.serviceMonitor.enabled "podMonitoring" .Values.podMonitoring.enabled "prometheusAnnotations" .Values.prometheusAnnotations -}}
{{- if and $enabled $listen (not $reached) -}}
{{- fail (printf "%s cannot scrape a port that config.web.listen keeps on loopback: add an address of the node, or leave the scrape out" $name) -}}
{{- end -}}
{{- end -}}
{{- $ports := list -}}
{{- range ($reached | default $listen) }}{{ $ports = append $ports (int (regexFind "[0-9]+$" .)) }}{{ end -}}
{{- $asked := include "pullprobe.goesByPort" . -}}
{{- if and $ports $asked (not (has (int .Values.port) $ports)) -}}
{{- fail (printf "config.web.listen: no address that others reach has port %d, which is needed for %s: set `port: %d` instead, and leave config.web.listen out where it is every address of the node" (int .Values.port) $asked (first $ports)) -}}
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

{{/* Not empty: the agent's rights may come from somebody other than `rbac`. */}}
{{- define "pullprobe.rightsElsewhere" -}}
{{- if or (not .Values.serviceAccount.create) (contains "RoleBinding" (toJson .Values.extraObjects)) }}yes{{ end -}}
{{- end }}

{{/* Not empty: the agent finds a token, of the chart or of extraVolumes. */}}
{{- define "pullprobe.hasToken" -}}
{{- include "pullprobe.asksApi" . -}}
{{- range .Values.extraVolumeMounts -}}
{{- $mounted := printf "%s/" (trimSuffix "/" .mountPath) -}}
{{- $place := "/var/run/secrets/kubernetes.io/serviceaccount/" -}}
{{- if or (hasPrefix $mounted $place) (hasPrefix $place $mounted) }}yes{{ end -}}
{{- end -}}
{{- end }}

{{/* Settings that need a right which nobody gave, and switches that give none. */}}
{{- define "pullprobe.refuseRights" -}}
{{- $signals := .Values.config.signals | default dict -}}
{{- $elsewhere := include "pullprobe.rightsElsewhere" . -}}
{{- if and $signals.node_condition (not .Values.rbac.nodeCondition) (not $elsewhere) -}}
{{- fail "config.signals.node_condition needs the right to report it: set rbac.nodeCondition: true instead, which also switches it on" -}}
{{- end -}}
{{- if and $signals.events (not .Values.rbac.events) (not $elsewhere) -}}
{{- fail "config.signals.events needs the right to write them: set rbac.events: true instead, which also switches them on" -}}
{{- end -}}
{{- $discover := dig "targets" "discover" dict .Values.config -}}
{{- $answered := or .Values.rbac.pods $elsewhere (include "pullprobe.hasToken" .) -}}
{{- range list "waiting_pods" "node_pods" -}}
{{- if and (get $discover .) (not $answered) -}}
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
{{- if and .Values.podMonitor.enabled .Values.serviceMonitor.enabled (eq (toJson (.Values.podMonitor.labels | default dict)) (toJson (.Values.serviceMonitor.labels | default dict))) -}}
{{- fail "podMonitor and serviceMonitor: a Prometheus that selects both by the same labels has every series twice. Enable one of them, or give them other labels" -}}
{{- end -}}
{{- $timeouts := dict "podMonitor" "scrapeTimeout" "serviceMonitor" "scrapeTimeout" "podMonitoring" "timeout" -}}
{{- range $name, $timeout := $timeouts -}}
{{- $own := get $.Values $name -}}
{{- if and $own.enabled (gt (include "pullprobe.millis" (get $own $timeout) | int64) (include "pullprobe.millis" $own.interval | int64)) -}}
{{- fail (printf "%s.%s: %s is longer than its interval, %s" $name $timeout (get $own $timeout) $own.interval) -}}
{{- end -}}
{{- end -}}
{{- end }}
