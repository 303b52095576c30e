"""What the dashboards share: variables, links, kinds of panels, colours, and how queries are written."""

DOCS = "https://github.com/pullprobe/pullprobe/blob/main/docs"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# What makes a series one agent's. `cluster` and `node` are the scrape's, and absent where it does not add them.
AGENT = "cluster, node, instance"
ERROR = 'severity="error"'
BLOCKED = 'state="blocked"'
# The most rows or lines that a person reads: what a query brings of many nodes or registries is cut to it.
LINES = 15
ROWS = 50
# Points of a graph over all nodes. Prometheus reads every series at each of them, and refuses a query beyond 50 million samples:
# 5,000 nodes with 20 registries make 18 million of it.
POINTS = 180
WIDTH = 24

GOOD, BAD, DOUBTFUL, PLAIN = "green", "red", "orange", "blue"
YES_NO = [{"type": "value", "options": {"0": {"text": "no", "color": BAD}, "1": {"text": "yes", "color": GOOD}}}]


class Metrics:
    """Writes selectors: each has the matchers of all variables that narrow the whole dashboard."""

    def __init__(self, *variables):
        self.always = [f'{name}=~"${name}"' for name in variables]

    def __call__(self, name, *matchers):
        return f"pullprobe_{name}{{{', '.join([*self.always, *matchers])}}}"

    def up(self):
        """Prometheus' own: whether the scrape of an agent worked."""
        return f"up{{{', '.join(self.always)}}}"

    def process(self, name):
        return f"process_{name}{{{', '.join(self.always)}}}"

    def budget(self, expression):
        """The lowest of each bucket that a registry counts pulls by: all nodes behind one address or account share one.

        Agents that are not told which bucket is theirs are taken together by endpoint.
        """
        same = "on (cluster, job, instance, namespace, endpoint)"
        bucket = self("rate_limit_bucket_info")
        return (
            f"min by (namespace, bucket) ({expression} * {same} group_left (bucket) {bucket})"
            f" or min by (namespace, endpoint) ({expression} unless {same} {bucket})"
        )


def query(expression, legend="", table=False, instant=False):
    target = {"datasource": SOURCE, "expr": expression, "legendFormat": legend}
    if table:
        target["format"] = "table"
    at_once = table or instant
    return {**target, "instant": at_once, "range": not at_once}


def steps(*pairs):
    """Colours from a value on; the first is the one below all others."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


MORE_IS_BAD = steps((None, GOOD), (1, BAD))
MORE_IS_DOUBTFUL = steps((None, GOOD), (1, DOUBTFUL))
ALL_OR_BAD = steps((None, BAD), (0.95, DOUBTFUL), (1, GOOD))
NEUTRAL = steps((None, PLAIN))


def panel(kind, title, description, queries, unit, width, height=8, defaults=None, options=None, overrides=()):
    targets = [{"refId": chr(ord("A") + place), **target} for place, target in enumerate(queries)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": list(overrides)},
        "options": options or {},
        # The place comes when the dashboard is laid out.
        "gridPos": {"h": height, "w": width},
    }


def stat(title, description, expression, unit="short", colors=MORE_IS_BAD, none="0", width=4, mappings=()):
    defaults = {"noValue": none, "thresholds": colors, "mappings": list(mappings)}
    if unit == "short":
        defaults["decimals"] = 0
    options = {
        "colorMode": "background",
        "graphMode": "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    return panel("stat", title, description, [query(expression, instant=True)], unit, width, 4, defaults, options)


def graph(title, description, queries, unit, stacked=False, width=12, most=None):
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 30 if stacked else 0, "showPoints": "never"}
    if stacked:
        custom["stacking"] = {"mode": "normal", "group": "A"}
    defaults = {"custom": custom, "min": 0}
    if most is not None:
        defaults["max"] = most
    options = {
        "legend": {
            "displayMode": "table",
            "placement": "bottom",
            "calcs": ["lastNotNull", "max"],
            "sortBy": "Last *",
            "sortDesc": True,
        },
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel("timeseries", title, description, queries, unit, width, 9, defaults, options)


def states(title, description, expression, legend, mappings=None, width=12):
    """What is either so or not, over time."""
    defaults = {"mappings": mappings or YES_NO, "color": {"mode": "thresholds"}, "custom": {"fillOpacity": 80, "lineWidth": 0}}
    options = {
        "mergeValues": True,
        "showValue": "never",
        "rowHeight": 0.85,
        "legend": {"displayMode": "list", "placement": "bottom"},
    }
    return panel("state-timeline", title, description, [query(expression, legend)], "short", width, 9, defaults, options)


def table(title, description, queries, columns, unit="short", width=12, none="nothing", sort=None, different=()):
    """`columns` are the fields to show, in order, with their headings; every other field is hidden."""
    headings = dict(columns)
    transformations = [
        *([{"id": "merge", "options": {}}] if len(queries) > 1 else []),
        {"id": "filterFieldsByName", "options": {"include": {"names": list(headings)}}},
        {
            "id": "organize",
            "options": {"indexByName": {name: place for place, name in enumerate(headings)}, "renameByName": headings},
        },
    ]
    defaults = {"noValue": none, "custom": {"align": "auto", "filterable": True, "cellOptions": {"type": "auto"}}}
    links = [linked(headings[name], LINKED[name]) for name in headings if name in LINKED]
    options = {"showHeader": True, "cellHeight": "sm"}
    if sort:
        options["sortBy"] = [{"displayName": sort.removeprefix("-"), "desc": sort.startswith("-")}]
    result = panel("table", title, description, queries, unit, width, 9, defaults, options, [*links, *different])
    result["transformations"] = transformations
    return result


def linked(heading, link):
    return {"matcher": {"id": "byName", "options": heading}, "properties": [{"id": "links", "value": [link]}]}


def column(heading, **properties):
    """One column of a table that differs from the others: its unit, its colours."""
    listed = [{"id": name.replace("_", "."), "value": value} for name, value in properties.items()]
    return {"matcher": {"id": "byName", "options": heading}, "properties": listed}


def to_dashboard(name, *more):
    """A path to one of the three with the same source, cluster, job and time. What narrows one rarely narrows another."""
    kept = "${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}"
    return "&".join([f"/d/pullprobe-{name}?{kept}", *more, "${__url_time_range}"])


# Fields of tables that lead on.
LINKED = {
    "instance": {"title": "Everything of this node", "url": to_dashboard("node", "var-instance=${__value.raw}")},
    "namespace": {"title": "Everything of this registry", "url": to_dashboard("registry", "var-namespace=${__value.raw}")},
    "cause": {
        "title": "What this cause means, and how to fix it",
        "url": f"{DOCS}/causes.md#${{__value.raw}}",
        "targetBlank": True,
    },
}


def variable(name, label, values_of, every=".+", chosen_all=True, hide=0):
    """`every` is what `All` stands for: `.*` also takes the series that have no such label."""
    values = f"label_values({values_of}, {name})"
    result = {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": values,
        "query": {"query": values, "refId": name},
        "multi": True,
        "includeAll": chosen_all,
        "allValue": every,
        "refresh": 2,
        "sort": 1,
        "hide": hide,
        "options": [],
    }
    if chosen_all:
        result["current"] = {"selected": True, "text": ["All"], "value": ["$__all"]}
    return result


def variables(instance=True, between=()):
    """The source, and what every dashboard can be narrowed to. `instance`: whether all of them are chosen at first."""
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "hide": 0,
        "options": [],
    }
    cluster, job = 'cluster=~"$cluster"', 'job=~"$job"'
    known = ", ".join([cluster, job, *(f'{name["name"]}=~"${name["name"]}"' for name in between)])
    return [
        source,
        variable("cluster", "Cluster", "pullprobe_build_info", every=".*"),
        variable("job", "Job", f"pullprobe_build_info{{{cluster}}}"),
        *between,
        variable("instance", "Instance", f"pullprobe_build_info{{{known}}}", chosen_all=instance),
    ]


def row(title, *panels):
    return {"title": title, "panels": panels}


def laid_out(rows):
    """Rows one below the other, the panels of each from left to right, and ids in this order."""
    result, top = [], 0
    for each in rows:
        head = {
            "type": "row",
            "title": each["title"],
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top},
        }
        result.append(head)
        top += 1
        left = height = 0
        for one in each["panels"]:
            grid = one["gridPos"]
            if left + grid["w"] > WIDTH:
                left, top, height = 0, top + height, 0
            one["gridPos"] = {**grid, "x": left, "y": top}
            left, height = left + grid["w"], max(height, grid["h"])
            result.append(one)
        top += height
    return [{"id": place + 1, **one} for place, one in enumerate(result)]


TITLES = {"fleet": "pullprobe / fleet", "registry": "pullprobe / registry", "node": "pullprobe / node"}


def links(here, *more):
    others = [
        {
            "title": TITLES[name].split(" / ")[1].capitalize(),
            "type": "link",
            "icon": "dashboard",
            "url": to_dashboard(name),
            "targetBlank": False,
        }
        for name in TITLES
        if name != here
    ]
    documents = [
        {"title": "Alerts", "type": "link", "icon": "doc", "url": f"{DOCS}/alerts.md", "targetBlank": True},
        {"title": "Causes", "type": "link", "icon": "doc", "url": f"{DOCS}/causes.md", "targetBlank": True},
    ]
    return [
        {"tags": [], "asDropdown": False, "includeVars": False, "keepTime": False, "tooltip": "", **link}
        for link in [*others, *more, *documents]
    ]


def dashboard(name, description, listed, rows, changes, more_links=(), points=POINTS):
    panels = laid_out(rows)
    for one in panels:
        if one["type"] == "timeseries" and points:
            one["maxDataPoints"] = points
    return {
        "uid": f"pullprobe-{name}",
        "title": TITLES[name],
        "description": description,
        "tags": ["pullprobe", "containerd", "registry"],
        "schemaVersion": 38,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "links": links(name, *more_links),
        "annotations": {
            "list": [
                {
                    "name": "Configuration changed",
                    "datasource": SOURCE,
                    "enable": True,
                    "iconColor": "orange",
                    "expr": changes,
                    "titleFormat": "Configuration of nodes changed",
                    "textFormat": "{{instance}}",
                }
            ]
        },
        "templating": {"list": listed},
        "panels": panels,
    }
