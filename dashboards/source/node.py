"""Everything of one node. Several can be chosen to compare them: then legends tell them apart by instance."""

from .parts import (
    AGENT,
    BAD,
    BLOCKED,
    DOUBTFUL,
    ERROR,
    GOOD,
    LINES,
    MORE_IS_DOUBTFUL,
    YES_NO,
    Metrics,
    dashboard as assemble,
    graph,
    query,
    row,
    stat,
    states,
    steps,
    table,
    variable,
    variables,
)

m = Metrics("cluster", "job", "node", "instance")
# A mapping's colours say which state is the good one.
DEGRADED = [
    {
        "type": "value",
        "options": {"0": {"text": "as configured", "color": GOOD}, "1": {"text": "not as configured", "color": DOUBTFUL}},
    }
]

FAILS = [{"type": "value", "options": {"1": {"text": "fails", "color": BAD}}}]
# Where the mappings have the colours.
NOTHING = steps((None, "gray"))


def now():
    newest = f"max by ({AGENT}) ({m('endpoint_last_probe_timestamp_seconds')})"
    return row(
        "Now",
        stat(
            "Registries not pullable",
            "Registries that the node can pull nothing from: no host in containerd's order led to an authorised request.",
            f"sum({m('namespace_pullable')} == bool 0)",
        ),
        stat(
            "Registries not as configured",
            "Pullable, but a mirror is dead, masked or skipped.",
            f"sum({m('namespace_degraded')})",
            colors=MORE_IS_DOUBTFUL,
        ),
        stat(
            "Images not pullable",
            "Watched images that containerd's pull would fail for.",
            f"sum({m('image_pullable')} == bool 0)",
        ),
        stat(
            "Containers that wait for an image",
            "Containers of the node's pods that have no image yet.",
            f"sum({m('waiting_containers')})",
        ),
        stat(
            "Images that could not be pulled again",
            "Containers run with them now. They would not start again once the image is gone from the node.",
            f"sum({m('images_not_restartable')})",
            colors=MORE_IS_DOUBTFUL,
        ),
        stat(
            "Registries that turn it away",
            "Hosts that answer 429, because the pull limit is used up or requests come too fast.",
            f"sum({m('rate_limit_state', BLOCKED)})",
        ),
        stat(
            "containerd answers",
            "Whether containerd's socket answers the agent.",
            f"min({m('containerd_up')})",
            "none",
            NOTHING,
            "unknown",
            mappings=YES_NO,
        ),
        stat(
            "Kubernetes API answers",
            "Whether the agent knows the pods of the node. Unknown where it is not to ask.",
            f"min({m('kubernetes_api_up')})",
            "none",
            NOTHING,
            "not asked",
            mappings=YES_NO,
        ),
        stat(
            "Errors in the configuration",
            "Findings of severity error in containerd's, kubelet's and the agent's own files. `pullprobe lint` names file and line.",
            f"sum({m('config_findings', ERROR)})",
        ),
        stat(
            "Credential providers that fail",
            "kubelet's credential provider plugins that failed when they were last run.",
            f"sum({m('credential_provider_up')} == bool 0)",
        ),
        stat(
            "Images left out",
            "Images that were found but are not probed, because there are more than the cap.",
            f"sum({m('images_dropped')})",
            colors=MORE_IS_DOUBTFUL,
        ),
        stat(
            "Oldest answer",
            "How old the newest probe is. Far above the probe interval, the agent hangs, and everything here is old.",
            f"max(time() - {newest})",
            "s",
            steps((None, GOOD), (900, DOUBTFUL)),
            "unknown",
        ),
    )


def why():
    return row(
        "Why",
        table(
            "Failing hosts",
            "Every host that fails at present, with the first stage that failed and its cause.",
            [query(m("endpoint_failure_info"), table=True)],
            [
                ("namespace", "Registry"),
                ("role", "Role"),
                ("endpoint", "Host"),
                ("stage", "Stage"),
                ("cause", "Cause"),
                ("instance", "Instance"),
            ],
            none="no host fails",
        ),
        table(
            "Failing images",
            "Every watched image that cannot be pulled, with its cause and who can fix it.",
            [query(m("image_failure_info"), table=True)],
            [("image", "Image"), ("stage", "Stage"), ("cause", "Cause"), ("owner", "Who can fix it"), ("instance", "Instance")],
            none="no image fails",
        ),
        graph(
            "Waiting containers, by cause",
            "Containers that wait for an image, by what is in their way.",
            [query(f"sum by (cause, instance) ({m('waiting_containers')})", "{{cause}} {{instance}}")],
            "short",
            stacked=True,
        ),
        graph(
            "Findings",
            "Findings about the node's pull configuration, as `pullprobe lint` lists them.",
            [query(f"sum by (severity, instance) ({m('config_findings')})", "{{severity}} {{instance}}")],
            "short",
        ),
    )


def registries():
    return row(
        "Registries",
        states(
            "Pullable",
            "Whether the node can pull from each registry, over all hosts in containerd's order.",
            m("namespace_pullable"),
            "{{namespace}} {{instance}}",
        ),
        states(
            "Hosts",
            "Whether each host answers an authorised request.",
            m("endpoint_up"),
            "{{namespace}} {{role}} {{endpoint}} {{instance}}",
        ),
        states(
            "As configured",
            "Whether the host answers that containerd asks first, or another has to take its place.",
            m("namespace_degraded"),
            "{{namespace}} {{instance}}",
            DEGRADED,
        ),
        graph(
            "Cost of dead hosts",
            f"What hosts that fail, ahead of the first good one, cost each request to a registry: the {LINES} dearest.",
            [query(f"topk({LINES}, {m('namespace_fallback_delay_seconds')})", "{{namespace}} {{instance}}")],
            "s",
        ),
        graph(
            "Time by stage",
            f"What a stage of the last probe took: a slow name server, a far registry, a slow token service. The {LINES} slowest.",
            [
                query(
                    f"topk({LINES}, avg by (endpoint, stage) ({m('endpoint_stage_duration_seconds')}))",
                    "{{endpoint}} {{stage}}",
                )
            ],
            "s",
        ),
        states(
            "Failures",
            "The stage and the cause at which each host fails, while it does.",
            m("endpoint_failure_info"),
            "{{endpoint}} {{stage}} {{cause}} {{instance}}",
            FAILS,
        ),
    )


def limits():
    return row(
        "Limits and ends",
        graph(
            "Pulls left",
            f"What the registry says is left of its limit, as a share: the {LINES} lowest. There is no line where a registry announces no limit.",
            [
                query(
                    f"bottomk({LINES}, {m('rate_limit_remaining')} / {m('rate_limit_limit')})",
                    "{{endpoint}} {{instance}}",
                )
            ],
            "percentunit",
            most=1,
        ),
        graph(
            "Certificates: time left",
            f"Until the first certificate of the presented chain ends: the {LINES} soonest.",
            [
                query(
                    f"bottomk({LINES}, min by (namespace, endpoint) ({m('tls_certificate_not_after_timestamp_seconds')}) - time())",
                    "{{namespace}} {{endpoint}}",
                )
            ],
            "s",
        ),
        graph(
            "Credentials: time left",
            f"Until a credential ends, where that can be known: the {LINES} soonest.",
            [
                query(
                    f"bottomk({LINES}, min by (source, registry) ({m('credential_expiry_timestamp_seconds')}) - time())",
                    "{{registry}} {{source}}",
                )
            ],
            "s",
        ),
        states(
            "Credential providers",
            "Whether each credential provider plugin of kubelet answered when it was last asked.",
            m("credential_provider_up"),
            "{{provider}} {{instance}}",
        ),
    )


def machine():
    free = f"{m('image_filesystem_available_bytes')} / {m('image_filesystem_size_bytes')}"
    inodes = f"{m('image_filesystem_inodes_free')} / ({m('image_filesystem_inodes')} > 0)"
    return row(
        "Node",
        states(
            "Name servers",
            "Whether each name server of the node's resolv.conf answers.",
            m("nameserver_up"),
            "{{nameserver}} {{instance}}",
        ),
        graph(
            "Name servers: time",
            "How long each name server took for the last name that it was asked.",
            [query(m("nameserver_duration_seconds"), "{{nameserver}} {{instance}}")],
            "s",
        ),
        graph(
            "Image file system",
            "The share of bytes and of inodes that is free where containerd keeps images.",
            [query(free, "bytes {{instance}}"), query(inodes, "inodes {{instance}}")],
            "percentunit",
            most=1,
        ),
        graph(
            "Clock",
            f"How far the registries' clocks are from the node's, by amount: the {LINES} farthest. Minutes of it break certificates and tokens.",
            [query(f"topk({LINES}, abs({m('clock_skew_seconds')}))", "{{endpoint}} {{instance}}")],
            "s",
        ),
        table(
            "Configuration",
            "The hash of the pull configuration and when its files last changed. Nodes that should be alike have the same hash.",
            [
                query(
                    f"{m('config_info')} * on (cluster, job, node, instance) group_left () {m('config_last_change_timestamp_seconds')} * 1000",
                    table=True,
                ),
            ],
            [("node", "Node"), ("instance", "Instance"), ("hash", "Configuration"), ("Value", "Last change")],
            "dateTimeAsIso",
        ),
        table(
            "Agent",
            "Which build of pullprobe the node runs.",
            [query(m("build_info"), table=True)],
            [("node", "Node"), ("instance", "Instance"), ("version", "Version"), ("revision", "Revision")],
        ),
    )


def agent():
    return row(
        "The agent itself",
        graph(
            "Memory",
            "Resident memory of the agent, and the limit of its control group, if it has one.",
            [query(m.process("resident_memory_bytes"), "{{instance}}"), query(m("memory_limit_bytes"), "limit of {{instance}}")],
            "bytes",
        ),
        graph(
            "Processor",
            "Cores that the agent uses.",
            [query(f"rate({m.process('cpu_seconds_total')}[$__rate_interval])", "{{instance}}")],
            "short",
        ),
        graph(
            "Requests that count as a pull",
            f"Requests per second that a registry counts as a pull, of the {LINES} registries with most. No line: there was none. probe.counted_pulls_per_hour allows them.",
            [
                query(
                    f"topk({LINES}, sum by (endpoint) (rate({m('registry_counted_pulls_total')}[$__rate_interval])))",
                    "{{endpoint}}",
                )
            ],
            "reqps",
        ),
        graph(
            "Back-off",
            f"Time between probes of a host that fails or asked for patience: the {LINES} longest. No line, or zero: it is probed at its usual interval.",
            [query(f"topk({LINES}, {m('probe_backoff_seconds')})", "{{namespace}} {{endpoint}} {{instance}}")],
            "s",
        ),
    )


def listed():
    node = variable("node", "Node", 'pullprobe_build_info{cluster=~"$cluster", job=~"$job"}', every=".*")
    return variables(instance=False, between=[node])


PAGE = {
    "title": "The agent's page",
    "type": "link",
    "icon": "external link",
    "url": "http://${instance}/",
    "targetBlank": True,
    "tooltip": "For one chosen instance. Where the agent shows its page on loopback only: kubectl port-forward to its pod, port 10048.",
}


def dashboard():
    changes = f"changes({m('config_last_change_timestamp_seconds')}[$__rate_interval]) > 0"
    rows = [now(), why(), registries(), limits(), machine(), agent()]
    # One node is cheap: its graphs have every point that fits.
    return assemble(
        "node", "Can this node pull from its registries, and if not, why?", listed(), rows, changes, [PAGE], points=None
    )
