#!/usr/bin/env python3
"""Writes agent/src/containerd/config_keys/SERIES.txt: what a containerd takes for each key of its plugins.

    config_keys.py SERIES CONTAINERD

The keys are those of `containerd config default` and of the list below, which it does not print. Each is given a
number and a text, and what the daemon says of the one that it refuses names the type.
"""
import pathlib
import re
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor

# `*` is any name, `[]` an entry of a list. A daemon that does not know a key leaves it out of the table.
RUNTIME = [
    "base_runtime_spec", "cgroup_writable", "cni_conf_dir", "cni_max_conf_num", "container_annotations", "io_type",
    "options", "pod_annotations", "privileged_without_host_devices",
    "privileged_without_host_devices_all_devices_allowed", "runtime_engine", "runtime_path", "runtime_root",
    "runtime_type", "sandbox_mode", "sandboxer", "snapshotter",
]
REGISTRY = [
    "config_path", "mirrors", "mirrors.*", "mirrors.*.endpoint", "configs", "configs.*", "configs.*.auth",
    "configs.*.tls", "auths", "auths.*", "headers", "headers.*",
] + [f"{above}.{key}" for above in ("configs.*.auth", "auths.*") for key in ("username", "password", "auth", "identitytoken")] + [
    f"configs.*.tls.{key}" for key in ("insecure_skip_verify", "ca_file", "cert_file", "key_file")
]
CRI = "io.containerd.grpc.v1.cri"
IMAGES = "io.containerd.cri.v1.images"
CRI_RUNTIME = "io.containerd.cri.v1.runtime"
UNPRINTED = {
    CRI: ["containerd", "cni", "registry", "image_decryption", "x509_key_pair_streaming", "containerd.runtimes", "containerd.runtimes.*"]
    + [f"containerd.{table}.{key}" for table in ("runtimes.*", "default_runtime", "untrusted_workload_runtime") for key in RUNTIME]
    + ["containerd.default_runtime", "containerd.untrusted_workload_runtime"]
    + [f"registry.{key}" for key in REGISTRY],
    IMAGES: ["registry", "image_decryption", "pinned_images", "pinned_images.*", "runtime_platforms", "runtime_platforms.*",
             "runtime_platforms.*.platform", "runtime_platforms.*.snapshotter"] + [f"registry.{key}" for key in REGISTRY],
    CRI_RUNTIME: ["containerd", "cni", "containerd.runtimes", "containerd.runtimes.*"] + [f"containerd.runtimes.*.{key}" for key in RUNTIME],
    "io.containerd.internal.v1.tracing": ["sampling_ratio", "service_name"],
    "io.containerd.tracing.processor.v1.otlp": ["endpoint", "protocol", "insecure"],
    "io.containerd.transfer.v1.local": ["unpack_config"] + [
        f"unpack_config.[].{key}" for key in ("platform", "snapshotter", "snapshotter_exports", "differ", "config_type", "layer_types", "optional")
    ],
    "io.containerd.snapshotter.v1.devmapper": ["fs_type", "fs_options"],
    "io.containerd.snapshotter.v1.erofs": ["default_size"],
}


def plain(section, path):
    """A printed path with `*` for what is a name."""
    for above in ("containerd.runtimes.", "pinned_images."):
        if section in (CRI, IMAGES, CRI_RUNTIME) and path.startswith(above):
            _, _, below = path[len(above):].partition(".")
            return above + "*" + ("." + below if below else "")
    return path


def printed(section, table, above=""):
    for key, value in table.items():
        path = plain(section, above + key)
        if ".options." in path or path.endswith(".options") and isinstance(value, dict):
            yield path.partition(".options")[0] + ".options"
        elif isinstance(value, dict):
            yield path
            yield from printed(section, value, above + key + ".")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield path
            yield from (f"{path}.[].{inner}" for inner in value[0])
        else:
            yield path


def text(version, section, path, value):
    """A file with one key of a plugin."""
    *above, key = ["x" if part == "*" else part for part in path.split(".")]
    lines = [f"version = {version}"]
    if "[]" in above:
        lines.append(f'[[plugins."{section}".{".".join(part for part in above if part != "[]")}]]')
    else:
        lines.append("[" + ".".join([f'plugins."{section}"', *above]) + "]")
    return "\n".join([*lines, f"{key} = {value}", ""])


def words(containerd, content):
    """What the daemon says; empty: it takes the file."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(content)
        file.flush()
        done = subprocess.run([containerd, "-c", file.name, "config", "dump"], capture_output=True, text=True)
    if done.returncode == 0:
        return ""
    return next(line for line in done.stderr.splitlines() if line.startswith(("containerd: ", "panic: ")))


def kind(containerd, version, section, path):
    """Field and type of a key; None: it is unknown, or takes anything."""
    for value in ("1", '"x"'):
        said = words(containerd, text(version, section, path, value))
        for pattern in (r"into struct field (\S+) of type (.+)$", r"cannot decode TOML \w+ into(?: a Go value of type)?( )(.+)$", r"Can't convert .* to()(?: )(.+?)(?:\((?:map|slice)\)|\. time:.*)?$"):
            if found := re.search(pattern, said):
                return found[1].strip() or "-", found[2]
        if "duration" in said:
            return "-", "duration"
        if said:
            raise SystemExit(f"{section} {path} = {value}: {said}")
    return None


def main():
    series, containerd = sys.argv[1:]
    default = subprocess.run([containerd, "config", "default"], capture_output=True, text=True, check=True).stdout
    config = tomllib.loads(default)
    lines = [f"# What containerd {series} takes for the keys of its plugins: key, Go field, Go type. Written by tests/tools/config_keys.py."]
    sections = sorted(config["plugins"])
    with ThreadPoolExecutor(2) as pool:
        for section in sections:
            paths = sorted({*printed(section, config["plugins"][section]), *UNPRINTED.get(section, [])})
            told = pool.map(lambda path: kind(containerd, config["version"], section, path), paths)
            lines.append(f"[{section}]")
            lines += ["\t".join([path, *known]) for path, known in zip(paths, told) if known]
    target = pathlib.Path(__file__).parents[2] / f"agent/src/containerd/config_keys/{series}.txt"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(lines) + "\n")
    print(f"{target}: {len(sections)} sections, {len(lines) - len(sections) - 1} keys")


main()
