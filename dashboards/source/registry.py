"""One registry on all nodes: its hosts, the steps to them, limits, certificates, and what probing it costs."""

from .parts import (
    AGENT,
    ALL_OR_BAD,
    BAD,
    BLOCKED,
    DOUBTFUL,
    GOOD,
    LINES,
    ROWS,
    WIDTH,
    Metrics,
    column,
    dashboard as assemble,
    graph,
    query,
    row,
    stat,
    steps,
    table,
    variable,
    variables,
)

m = Metrics("cluster", "job", "instance", "namespace")
# What has no label for the registry.
of_all = Metrics("cluster", "job", "instance")
# Of single hosts of the registry, if one is chosen.
ENDPOINT = 'endpoint=~"$endpoint"'
HOST = "namespace, role, endpoint"
DAY = 86400


def now():
    return row(
        "Now",
        stat(
            "Nodes that can pull",
            "The share of nodes on which some host, in containerd's order, would serve a pull.",
            f"avg({m('namespace_pullable')})",
            "percentunit",
            ALL_OR_BAD,
            "unknown",
        ),
        stat(
            "Nodes that pull, but not as configured",
            "The share of nodes on which a host fails that containerd would ask, and another takes its place.",
            f"avg({m('namespace_degraded')})",
            "percentunit",
            steps((None, GOOD), (0.000001, DOUBTFUL)),
            "unknown",
        ),
        stat("Nodes that are turned away", "Nodes that a host answers 429.", f"sum({m('rate_limit_state', BLOCKED)})"),
        stat(
            "Pulls left",
            "The lowest share of a pull limit that any node was told.",
            f"min({m('rate_limit_remaining')} / {m('rate_limit_limit')})",
            "percentunit",
            steps((None, BAD), (0.1, DOUBTFUL), (0.3, GOOD)),
            "no limit is announced",
        ),
        stat(
            "First certificate to end",
            "Until the first certificate ends that a host of this registry presents to any node.",
            f"min({m('tls_certificate_not_after_timestamp_seconds')}) - time()",
            "s",
            steps((None, BAD), (3 * DAY, DOUBTFUL), (14 * DAY, GOOD)),
            "no TLS",
        ),
        stat(
            "Cost of dead hosts",
            "What hosts that fail, ahead of the first good one, cost each request of containerd on the worst node.",
            f"max({m('namespace_fallback_delay_seconds')})",
            "s",
            steps((None, GOOD), (1, DOUBTFUL), (10, BAD)),
            "unknown",
        ),
    )


def hosts():
    up, endings = m("endpoint_up", ENDPOINT), m("tls_certificate_not_after_timestamp_seconds", ENDPOINT)
    # By role: containerd asks the mirrors before the registry itself.
    listed = table(
        "Hosts",
        "The mirrors, the registry itself (upstream), and the token services and storages that it sends pulls to. containerd asks mirrors "
        "first; the order among them is that of the node's files, which the agent's page shows.",
        [
            query(f"topk({ROWS}, avg by ({HOST}) ({up}))", table=True),
            query(f"topk({ROWS}, sum by ({HOST}) ({up} == bool 0))", table=True),
            query(f"bottomk({ROWS}, min by (namespace, endpoint) ({endings}) - time())", table=True),
        ],
        [
            ("namespace", "Registry"),
            ("role", "Role"),
            ("endpoint", "Host"),
            ("Value #A", "Good on"),
            ("Value #B", "Nodes where it fails"),
            ("Value #C", "Certificate ends in"),
        ],
        "percentunit",
        WIDTH,
        sort="Role",
        different=[column("Nodes where it fails", unit="short"), column("Certificate ends in", unit="s")],
    )
    return row(
        "Hosts, in containerd's order",
        listed,
        graph(
            "Nodes on which a host is good",
            f"The share of nodes whose last probe of a host passed every stage: the {LINES} lowest.",
            [query(f"bottomk({LINES}, avg by ({HOST}) ({up}))", "{{role}} {{endpoint}}")],
            "percentunit",
            most=1,
        ),
        graph(
            "Cost of dead hosts",
            "What hosts that fail, ahead of the first good one, cost each request: on the median node, for nine of ten nodes, and on the worst.",
            [
                query(
                    f"quantile by (namespace) (0.5, {m('namespace_fallback_delay_seconds')})", "{{namespace}} half of the nodes"
                ),
                query(f"quantile by (namespace) (0.9, {m('namespace_fallback_delay_seconds')})", "{{namespace}} nine of ten"),
                query(f"max by (namespace) ({m('namespace_fallback_delay_seconds')})", "{{namespace}} worst"),
            ],
            "s",
        ),
        table(
            "Causes",
            "On how many nodes a host fails for a cause.",
            [query(f"topk({ROWS}, count by ({HOST}, stage, cause) ({m('endpoint_failure_info', ENDPOINT)}))", table=True)],
            [("cause", "Cause"), ("stage", "Stage"), ("role", "Role"), ("endpoint", "Host"), ("Value", "Nodes")],
            sort="-Nodes",
        ),
        table(
            "Nodes that cannot pull",
            f"At most {ROWS} nodes that can pull nothing from this registry.",
            [query(f"topk({ROWS}, {m('namespace_pullable')} == 0)", table=True)],
            [("cluster", "Cluster"), ("node", "Node"), ("instance", "Instance"), ("namespace", "Registry")],
            none="every node can pull",
        ),
    )


def ladder():
    took = m("endpoint_stage_duration_seconds", ENDPOINT)
    return row(
        "The steps to a host",
        graph(
            "Time by stage",
            "What each stage of a probe took, as the mean over nodes and chosen hosts, stacked to the whole.",
            [query(f"avg by (stage) ({took})", "{{stage}}")],
            "s",
            stacked=True,
        ),
        graph(
            "Time by stage, nine of ten nodes",
            "The time that a stage stays below on nine of ten nodes. Far above the mean, some nodes have a way of their own.",
            [query(f"quantile by (stage) (0.9, {took})", "{{stage}}")],
            "s",
        ),
        graph(
            "Where probes fail",
            "Hosts of all nodes that fail, by the first stage that did not pass.",
            [query(f"count by (stage) ({m('endpoint_failure_info', ENDPOINT)})", "{{stage}}")],
            "short",
            stacked=True,
        ),
        table(
            "Slowest nodes",
            f"The time of all stages together, of the slowest host of each node: the {LINES} slowest nodes.",
            [query(f"topk({LINES}, max by ({AGENT}) (sum by ({AGENT}, endpoint) ({took})))", table=True)],
            [("cluster", "Cluster"), ("node", "Node"), ("instance", "Instance"), ("Value", "Time")],
            "s",
            sort="-Time",
        ),
    )


def limits():
    left, most = m("rate_limit_remaining", ENDPOINT), m("rate_limit_limit", ENDPOINT)
    soon = f"predict_linear({m('rate_limit_remaining', ENDPOINT)}[1h], 3600)"
    legend = "{{namespace}} {{bucket}}{{endpoint}}"
    return row(
        "Limits and certificates",
        graph(
            "Pulls left, by bucket",
            f"As the registry last told, and how many would be left in an hour if it goes on as in the last one. The {LINES} lowest buckets.",
            [
                query(f"bottomk({LINES}, {m.budget(left)})", legend),
                query(f"bottomk({LINES}, clamp_min({m.budget(soon)}, 0))", legend + " in an hour"),
            ],
            "short",
        ),
        graph(
            "Limit and window",
            "Pulls per window, as the registry announces: the lowest limit of each bucket.",
            [query(f"bottomk({LINES}, {m.budget(most)})", legend)],
            "short",
        ),
        graph(
            "What is known of the limit",
            "Nodes by what they know of the pull limit: limited, unlimited, blocked or unknown.",
            [query(f"sum by (state) ({m('rate_limit_state', ENDPOINT)})", "{{state}}")],
            "short",
            stacked=True,
        ),
        graph(
            "Certificates: time left",
            f"Until the first certificate of the presented chain ends, by host: the {LINES} soonest.",
            [
                query(
                    f"bottomk({LINES}, min by (endpoint) ({m('tls_certificate_not_after_timestamp_seconds', ENDPOINT)}) - time())",
                    "{{endpoint}}",
                )
            ],
            "s",
        ),
    )


def cost():
    # Requests are counted by host alone, so those of this registry's hosts are chosen by them.
    pulls = of_all("registry_counted_pulls_total", ENDPOINT)
    ours = f"and on (endpoint) {m('endpoint_up', ENDPOINT)}"
    return row(
        "What probing costs",
        graph(
            "Probes",
            f"Probes per second of all nodes together, as far as scrapes tell them apart: the {LINES} hosts that are asked most. "
            "Each takes a few requests, of which none counts as a pull unless that is allowed.",
            [
                query(
                    f"topk({LINES}, sum by (endpoint) (changes({m('endpoint_last_probe_timestamp_seconds', ENDPOINT)}[5m])) / 300)",
                    "{{endpoint}}",
                )
            ],
            "reqps",
        ),
        graph(
            "Requests that count as a pull",
            "Requests per second that the registry counts as a pull. No line: there was none. probe.counted_pulls_per_hour allows them.",
            [query(f"topk({LINES}, sum by (endpoint) (rate({pulls}[$__rate_interval])) {ours})", "{{endpoint}}")],
            "reqps",
        ),
    )


def listed():
    return [
        *variables(),
        variable("namespace", "Registry", of_all("namespace_pullable"), chosen_all=False),
        variable("endpoint", "Host", m("endpoint_up")),
    ]


def dashboard():
    changes = f"sum(changes({of_all('config_last_change_timestamp_seconds')}[$__rate_interval])) > 0"
    rows = [now(), hosts(), ladder(), limits(), cost()]
    return assemble(
        "registry",
        "One registry as all nodes see it: its hosts in containerd's order, and where the way to them ends.",
        listed(),
        rows,
        changes,
    )
