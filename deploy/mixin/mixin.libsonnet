// pullprobe for people who build their monitoring with jsonnet: the alerts and rules of rules.yaml
// (as JSON: jsonnet 0.18 cannot read its texts of several lines), and the dashboards.
//
//   (import 'pullprobe/deploy/mixin/mixin.libsonnet') + { _config+:: { selector: 'cluster="blue"', thresholds+: { many_nodes: '5' } } }
{
  _config+:: import 'config.libsonnet',

  local config = $._config,
  local list(names) = std.join('', [name + ', ' for name in names]),
  local fill = config.thresholds {
    selector: config.selector,
    job: config.job,
    keep: list(config.keep),
    alike: list(config.alike),
    runbooks: config.runbooks,
  },
  local pairs = [['@' + name + '@', std.toString(fill[name])] for name in std.objectFields(fill)]
                // Where nothing is set, a matcher or a label is left out with its comma.
                + [[', }', '}'], ['{}', ''], [', )', ')']],
  local filled(value) =
    if std.isString(value) then std.foldl(function(text, pair) std.strReplace(text, pair[0], pair[1]), pairs, value)
    else if std.isArray(value) then std.map(filled, value)
    else if std.isObject(value) then std.mapWithKey(function(key, inner) filled(inner), value)
    else value,

  local own(rule) = std.get(config.alerts, rule.alert, {}),
  local alert(rule) = rule {
    [key]: own(rule)[key]
    for key in ['for', 'keep_firing_for']
    if std.objectHas(own(rule), key)
  } {
    labels: rule.labels + config.alertLabels +
            (if std.objectHas(own(rule), 'severity') then { severity: own(rule).severity } else { severity: rule.labels.severity }) +
            std.get(own(rule), 'labels', {}),
  },
  local groups(of) = [
    group { rules: rules }
    for group in filled(import 'rules.json').groups
    for rules in [[if std.objectHas(rule, 'alert') then alert(rule) else rule for rule in group.rules if of(rule)]]
    if std.length(rules) > 0
  ],

  prometheusRules+:: { groups+: groups(function(rule) std.objectHas(rule, 'record')) },
  prometheusAlerts+:: {
    groups+: groups(function(rule) std.objectHas(rule, 'alert') && std.get(own(rule), 'enabled', true)),
  },
  grafanaDashboards+:: import 'dashboards.libsonnet',
}
