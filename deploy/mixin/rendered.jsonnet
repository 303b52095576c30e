// The rules and alerts in the order of rules.yaml:  jsonnet deploy/mixin/rendered.jsonnet
local mixin = import 'mixin.libsonnet';
{ groups: mixin.prometheusRules.groups + mixin.prometheusAlerts.groups }
