"""All nodes at once: which part can pull, what keeps the others from it, and whose that is."""

from .parts import (
    AGENT,
    ALL_OR_BAD,
    BLOCKED,
    DOUBTFUL,
    ERROR,
    GOOD,
    BAD,
    LINES,
    MORE_IS_DOUBTFUL,
    NEUTRAL,
    ROWS,
    WIDTH,
    YES_NO,
    Metrics,
    column,
    dashboard as assemble,
    graph,
    query,
    row,
    stat,
    steps,
    table,
    variables,
)

m = Metrics("cluster", "job", "instance")
PULLABLE = m("namespace_pullable")
CONFIGURATION = m("config_info")
NODE = [("cluster", "Cluster"), ("node", "Node"), ("instance", "Instance")]


def now():
    newest = f"max by ({AGENT}) ({m('endpoint_last_probe_timestamp_seconds')})"
    return row(
        "Now",
        stat(
            "Nodes with an agent", "How many agents Prometheus has an answer from.", f"count({m('build_info')})", colors=NEUTRAL
        ),
        stat(
            "Agents that do not answer",
            "How many agents Prometheus could not scrape. Of their nodes nothing is known.",
            f"sum({m.up()} == bool 0)",
        ),
        stat(
            "Nodes that can pull from every registry",
            "The share of nodes on which each of their registries can be pulled from.",
            f"avg(min by ({AGENT}) ({PULLABLE}))",
            "percentunit",
            ALL_OR_BAD,
            "unknown",
        ),
        stat(
            "Nodes that can pull from no registry",
            "Nodes that can pull nothing at all. Their own network, proxy, name servers or clock is the first suspect.",
            f"sum(max by ({AGENT}) ({PULLABLE}) == bool 0)",
        ),
        stat(
            "Registries that no node can pull from",
            "Registries that fail on every node: the registry itself, or what all nodes share.",
            f"sum(max by (namespace) ({PULLABLE}) == bool 0)",
        ),
        stat(
            "Registries that work, but not as configured",
            "Registries with a failing mirror on some node, where another host takes its place.",
            f"sum(max by (namespace) ({m('namespace_degraded')}))",
            colors=MORE_IS_DOUBTFUL,
        ),
        stat("Containers that wait for an image", "On all nodes, for any reason.", f"sum({m('waiting_containers')})"),
        stat(
            "Longest wait for an image",
            "Of all containers that wait for their image, how long the first of them has waited.",
            f"max(time() - {m('waiting_containers_oldest_timestamp_seconds')})",
            "s",
            steps((None, GOOD), (600, BAD)),
            "none",
        ),
        stat(
            "Images that could not be pulled again",
            "Containers run with them now. They would not start on another node.",
            f"sum({m('images_not_restartable')})",
            colors=MORE_IS_DOUBTFUL,
        ),
        stat(
            "Nodes whose containerd does not answer",
            "containerd's socket does not answer the agent: no container starts there.",
            f"sum({m('containerd_up')} == bool 0)",
        ),
        stat(
            "Nodes with errors in their configuration",
            "Nodes with at least one finding of severity error. `pullprobe lint` names file and line.",
            f"sum({m('config_findings', ERROR)} > bool 0)",
        ),
        stat(
            "Oldest answer",
            "How old the newest probe of the slowest agent is. Far above the probe interval, that agent hangs.",
            f"max(time() - {newest})",
            "s",
            steps((None, GOOD), (900, DOUBTFUL)),
            "unknown",
        ),
    )


def who():
    worst = f"topk({ROWS}, sum by (cluster, job, instance) ({PULLABLE} == bool 0) > 0)"
    of_worst = f"{PULLABLE} and on (cluster, job, instance) {worst}"
    # One name for each node: the node's where the scrape adds it, else the instance.
    named = f'label_replace(label_replace({of_worst}, "agent", "$1", "instance", "(.+)"), "agent", "$1", "node", "(.+)")'
    matrix = table(
        "Nodes and registries",
        f"Whether each node can pull from each registry, for the {ROWS} nodes that fail for most registries. A node that can pull from all is not here.",
        [query(named, table=True)],
        [],
        width=WIDTH,
        none="every node can pull from every registry",
    )
    matrix["transformations"] = [
        {
            "id": "groupingToMatrix",
            "options": {"columnField": "namespace", "rowField": "agent", "valueField": "Value", "emptyValue": "null"},
        }
    ]
    matrix["fieldConfig"]["defaults"].update({"mappings": YES_NO, "noValue": "unknown"})
    matrix["fieldConfig"]["defaults"]["custom"]["cellOptions"] = {"type": "color-background", "mode": "basic"}
    matrix["fieldConfig"]["overrides"] = [
        {
            "matcher": {"id": "byRegexp", "options": "/^agent/"},
            "properties": [{"id": "custom.cellOptions", "value": {"type": "auto"}}],
        }
    ]
    return row(
        "Who can pull",
        graph(
            "Nodes that can pull, by registry",
            f"The share of nodes that can pull from each registry: the {LINES} lowest.",
            [query(f"bottomk({LINES}, avg by (namespace) ({PULLABLE}))", "{{namespace}}")],
            "percentunit",
            most=1,
        ),
        table(
            "Registries",
            "The share of nodes that can pull, and of those that can but not as configured.",
            [
                query(f"bottomk({ROWS}, avg by (namespace) ({PULLABLE}))", table=True),
                query(f"topk({ROWS}, avg by (namespace) ({m('namespace_degraded')}))", table=True),
                query(f"topk({ROWS}, sum by (namespace) ({PULLABLE} == bool 0))", table=True),
            ],
            [
                ("namespace", "Registry"),
                ("Value #A", "Can pull"),
                ("Value #B", "Not as configured"),
                ("Value #C", "Nodes that cannot"),
            ],
            "percentunit",
            sort="Can pull",
            different=[column("Nodes that cannot", unit="short")],
        ),
        matrix,
        table(
            "Nodes that fail for most registries",
            f"How many registries a node can pull nothing from: the {ROWS} worst nodes.",
            [query(f"topk({ROWS}, sum by ({AGENT}) ({PULLABLE} == bool 0) > 0)", table=True)],
            [*NODE, ("Value", "Registries")],
            none="every node can pull from every registry",
            sort="-Registries",
        ),
        table(
            "Nodes where most containers wait",
            f"How many containers of a node wait for their image: the {ROWS} worst nodes.",
            [query(f"topk({ROWS}, sum by ({AGENT}) ({m('waiting_containers')}) > 0)", table=True)],
            [*NODE, ("Value", "Containers")],
            none="no container waits",
            sort="-Containers",
        ),
    )


def why():
    failing = f"count by (namespace, role, stage, cause) (count by ({AGENT}, namespace, role, stage, cause) ({m('endpoint_failure_info')}))"
    return row(
        "Why",
        table(
            "Causes, by registry",
            "On how many nodes a host of a registry fails for a cause. The page behind a cause says whose it is and how to fix it.",
            [query(f"topk({ROWS}, {failing})", table=True)],
            [("cause", "Cause"), ("stage", "Stage"), ("namespace", "Registry"), ("role", "Role"), ("Value", "Nodes")],
            sort="-Nodes",
        ),
        table(
            "Causes, by image, and who can fix them",
            "How many pairs of node and image cannot be pulled for a cause, with who can fix it.",
            [query(f"topk({ROWS}, count by (owner, cause, stage) ({m('image_failure_info')}))", table=True)],
            [("cause", "Cause"), ("owner", "Who can fix it"), ("stage", "Stage"), ("Value", "Images")],
            sort="-Images",
        ),
        graph(
            "Who can fix it",
            "Images that cannot be pulled, by who can fix that.",
            [query(f"count by (owner) ({m('image_failure_info')})", "{{owner}}")],
            "short",
            stacked=True,
        ),
        graph(
            "Waiting containers, by cause",
            f"Containers of all nodes that wait for an image, by what is in their way: the {LINES} most frequent causes.",
            [query(f"topk({LINES}, sum by (cause) ({m('waiting_containers')}))", "{{cause}}")],
            "short",
            stacked=True,
        ),
    )


def drift():
    shared = f"count by (hash) ({CONFIGURATION})"
    return row(
        "Configuration",
        table(
            "Configurations",
            "How many nodes share one pull configuration. Nodes that should be alike and do not share it have drifted apart.",
            [query(f"topk({ROWS}, count by (cluster, hash) ({CONFIGURATION}))", table=True)],
            [("cluster", "Cluster"), ("hash", "Configuration"), ("Value", "Nodes")],
            sort="-Nodes",
        ),
        table(
            "Nodes that differ from most",
            f"Nodes whose configuration fewer nodes share than the most frequent one: the {ROWS} rarest.",
            [query(f"bottomk({ROWS}, {CONFIGURATION} * on (hash) group_left () ({shared} < scalar(max({shared}))))", table=True)],
            [*NODE, ("hash", "Configuration"), ("Value", "Nodes that share it")],
            none="all nodes are alike",
            sort="Nodes that share it",
        ),
        graph(
            "Nodes with findings",
            "Nodes whose configuration has at least one finding, by severity.",
            [query(f"sum by (severity) ({m('config_findings')} > bool 0)", "{{severity}}")],
            "short",
        ),
        graph(
            "Versions of the agent",
            "How many nodes run each build of pullprobe.",
            [query(f"topk({LINES}, count by (version, revision) ({m('build_info')}))", "{{version}} {{revision}}")],
            "short",
            stacked=True,
        ),
    )


def limits():
    share = f"{m('rate_limit_remaining')} / {m('rate_limit_limit')}"
    return row(
        "Limits and ends",
        graph(
            "Pulls left, by bucket",
            "What is left of each pull limit, as a share. Nodes behind one address or account share a bucket: its lowest answer counts. "
            f"The {LINES} lowest.",
            [query(f"bottomk({LINES}, {m.budget(share)})", "{{namespace}} {{bucket}}{{endpoint}}")],
            "percentunit",
            most=1,
        ),
        graph(
            "Nodes that are turned away",
            f"Nodes that a registry answers 429, because their pulls are used up or they ask too fast: the {LINES} most affected registries.",
            [query(f"topk({LINES}, sum by (namespace) ({m('rate_limit_state', BLOCKED)}))", "{{namespace}}")],
            "short",
            stacked=True,
        ),
        table(
            "Certificates that end first",
            f"Until the first certificate of the chain ends that an endpoint presents: the {LINES} soonest, over all nodes.",
            [
                query(
                    f"bottomk({LINES}, min by (namespace, endpoint) ({m('tls_certificate_not_after_timestamp_seconds')}) - time())",
                    table=True,
                )
            ],
            [("namespace", "Registry"), ("endpoint", "Endpoint"), ("Value", "Time left")],
            "s",
            sort="Time left",
        ),
        table(
            "Credentials that end first",
            f"Until a credential ends, where that can be known: the {LINES} soonest, over all nodes.",
            [
                query(
                    f"bottomk({LINES}, min by (registry, source) ({m('credential_expiry_timestamp_seconds')}) - time())",
                    table=True,
                )
            ],
            [("registry", "Registry"), ("source", "Source"), ("Value", "Time left")],
            "s",
            none="no credential is known to end",
            sort="Time left",
        ),
    )


def agents():
    memory = m.process("resident_memory_bytes")
    return row(
        "Nodes and agents",
        graph(
            "Name servers that fail",
            f"On how many nodes a name server of resolv.conf does not answer: the {LINES} most frequent.",
            [query(f"topk({LINES}, sum by (nameserver) ({m('nameserver_up')} == bool 0))", "{{nameserver}}")],
            "short",
        ),
        table(
            "Fullest image file systems",
            f"The share that is free where containerd keeps images: the {LINES} fullest nodes.",
            [
                query(
                    f"bottomk({LINES}, min by ({AGENT}) ({m('image_filesystem_available_bytes')} / {m('image_filesystem_size_bytes')}))",
                    table=True,
                )
            ],
            [*NODE, ("Value", "Free")],
            "percentunit",
            sort="Free",
        ),
        table(
            "Agents that do not answer",
            f"Agents that Prometheus cannot scrape: at most {ROWS}.",
            [query(f"topk({ROWS}, {m.up()} == 0)", table=True)],
            [*NODE, ("job", "Job")],
            none="every agent answers",
        ),
        graph(
            "Memory of the agents",
            "Resident memory of the agents: half of them and nine of ten stay below the first two lines.",
            [
                query(f"quantile(0.5, {memory})", "half"),
                query(f"quantile(0.9, {memory})", "nine of ten"),
                query(f"max({memory})", "the largest"),
            ],
            "bytes",
        ),
    )


def dashboard():
    changes = f"sum(changes({m('config_last_change_timestamp_seconds')}[$__rate_interval])) > 0"
    rows = [now(), who(), why(), drift(), limits(), agents()]
    return assemble(
        "fleet",
        "Which part of the nodes can pull from which registries, and what keeps the others from it.",
        variables(),
        rows,
        changes,
    )
