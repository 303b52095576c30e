"""Runs real Helm on a chart, without a cluster.

    helm_render.py render  CHART [--values FILE] [--name NAME] [--namespace NAMESPACE]
    helm_render.py objects CHART …        the same objects, as a JSON list
    helm_render.py notes   CHART …        what Helm prints after an installation
    helm_render.py lint    CHART [--values FILE]

Prints the rendered objects as one YAML stream, or what lint found as JSON. Exit code 1 with Helm's
own message on standard error when it refuses the chart or the values.
"""

import argparse
import json
import pathlib
import sys

import helm_python as helm
import yaml

# A reader, and `kubectl apply`, want a namespace before what lies in it.
ORDER = ["namespace", "serviceaccount", "configmap", "service", "daemonset"]


def main() -> int:
    arguments = parse_arguments()
    try:
        values = read_values(arguments.values)
        if arguments.verb == "lint":
            return lint(arguments.chart, values)
        files = rendered(arguments, values)
        if arguments.verb == "notes":
            sys.stdout.write(next(text for path, text in files.items() if path.endswith("NOTES.txt")))
            return 0
        stream = stream_of(files)
    except helm.HelmError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.verb == "objects":
        stream = json.dumps(list(yaml.safe_load_all(stream)))
    sys.stdout.write(stream)
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verb", choices=["render", "objects", "notes", "lint"])
    parser.add_argument("chart")
    parser.add_argument("--values", type=pathlib.Path)
    parser.add_argument("--name", default="pullprobe")
    parser.add_argument("--namespace", default="pullprobe")
    return parser.parse_args()


def read_values(path: pathlib.Path | None) -> dict | None:
    return None if path is None else helm.values_from_yaml(path.read_text())


def rendered(arguments: argparse.Namespace, values: dict | None) -> dict[str, str]:
    with helm.Chart.load(arguments.chart) as chart:
        return chart.render(values, name=arguments.name, namespace=arguments.namespace)


def stream_of(files: dict[str, str]) -> str:
    manifests = {
        pathlib.PurePath(path).stem: text.strip()
        for path, text in files.items()
        if path.endswith(".yaml") and text.strip()
    }
    rank = {stem: position for position, stem in enumerate(ORDER)}
    stems = sorted(manifests, key=lambda stem: (rank.get(stem, len(ORDER)), stem))
    return "".join(f"---\n{manifests[stem]}\n" for stem in stems)


def lint(chart: str, values: dict | None) -> int:
    report = helm.lint(chart, values, strict=True)
    print(json.dumps(report, indent=2))
    return 1 if report["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
