#!/usr/bin/env python3
"""Writes the three dashboards: those to provision, here, and those to upload by hand, in upload/.

    python3 dashboards/build.py [DIRECTORY]

They are generated because they share variables, links, colours and half of their panels: by hand, each change of style
would be made three times and missed once. Only Python's standard library is needed. What is written is committed, and a
test says whether it is what this program writes.
"""

import copy
import json
import pathlib
import sys

from source import fleet, node, registry

HERE = pathlib.Path(__file__).resolve().parent
INPUT = "DS_PROMETHEUS"
# The oldest Grafana that has all that is used here.
GRAFANA = "10.0.0"


def to_upload(dashboard):
    """As grafana.com and Grafana's import dialog want it: the data source is asked for. A provisioned dashboard must not ask."""
    asking = {
        "__inputs": [
            {
                "name": INPUT,
                "label": "Prometheus",
                "description": "The Prometheus that scrapes pullprobe's agents.",
                "type": "datasource",
                "pluginId": "prometheus",
                "pluginName": "Prometheus",
            }
        ],
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": GRAFANA},
            {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
            *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in kinds(dashboard)),
        ],
        "id": None,
        **copy.deepcopy(dashboard),
    }
    chosen = f"${{{INPUT}}}"
    asking["templating"]["list"][0]["current"] = {"selected": False, "text": chosen, "value": chosen}
    return asking


def kinds(dashboard):
    return sorted({panel["type"] for panel in dashboard["panels"]} - {"row"})


def write(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for dashboard in (fleet.dashboard(), registry.dashboard(), node.dashboard()):
        name = f"{dashboard['uid']}.json"
        write(directory / name, dashboard)
        write(directory / "upload" / name, to_upload(dashboard))


if __name__ == "__main__":
    main()
