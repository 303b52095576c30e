#!/usr/bin/env python3
"""Prints the values of a chart as a table in Markdown: key, default and what the comment above it says.

    chart_values.py CHART

A comment that begins with `# --` belongs to the key below it, and what is inside a key with such a comment needs none of its own. A key
without one, and with none around it, is an error.
"""

import json
import pathlib
import re
import sys

import yaml

HEAD = """# Values of the chart

Read this to look up a value of `deploy/helm/pullprobe`. The table is generated from the chart's `values.yaml`;
[deployment.md](deployment.md) explains what the values are for. `values.schema.json` refuses every other key. Below `config` the
agent's own settings follow, which [settings.md](settings.md) lists.

| value | default | meaning |
|---|---|---|
"""
KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9_]*):")


def main() -> int:
    chart = pathlib.Path(sys.argv[1])
    text = (chart / "values.yaml").read_text()
    rows = list(table(yaml.safe_load(text), comments(text), ()))
    sys.stdout.write(HEAD + "".join(rows))
    return 0


def comments(text: str) -> dict[tuple[str, ...], str]:
    """What the comment above each key says, by the key's path."""
    found, said, above = {}, [], []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            word = stripped.removeprefix("#").strip()
            if word.startswith("-- "):
                said = [word.removeprefix("-- ")]
            elif said:
                said.append(word)
            continue
        key = KEY.match(line)
        if key:
            depth = len(key[1]) // 2
            above = [*above[:depth], key[2]]
            if said:
                found[tuple(above)] = " ".join(said)
        said = []
    return found


def table(values: dict, said: dict, above: tuple[str, ...]):
    for key, value in values.items():
        path = (*above, key)
        inside = [other for other in said if other[: len(path)] == path and other != path]
        if path in said:
            yield row(path, value, said[path])
        if inside:
            yield from table(value, said, path)
        elif path not in said:
            raise SystemExit(f"values.yaml says nothing of {'.'.join(path)}")


def row(path: tuple[str, ...], value: object, meaning: str) -> str:
    default = json.dumps(value, ensure_ascii=False)
    meaning = meaning.replace("|", "\\|")
    return f"| `{'.'.join(path)}` | `{default}` | {meaning} |\n"


if __name__ == "__main__":
    sys.exit(main())
