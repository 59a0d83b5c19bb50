"""Renders and lints the chart as Helm does: with `helm` where it is in the path, else with the engine of the package
helm-python-sdk."""

import copy
import json
import pathlib
import shutil
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "fanfare"
# The package's engine believes to be asked by this version; helm is told so.
KUBERNETES = "1.36.0"
HELM = shutil.which("helm")

if not HELM:
    import helm_python


class Refused(Exception):
    """Helm renders nothing; the text says why."""


def merged(*trees):
    """One tree of values; later ones win."""
    result = {}
    for tree in trees:
        for key, value in tree.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


def texts(values, name="rel", namespace="prod", asking=()):
    """The rendered documents as they stand, NOTES.txt apart. `asking`: flags by which `helm` asks a cluster."""
    if HELM:
        out = helm("template", values, name, str(CHART), "--namespace", namespace, *asking)
        documents = [part.split("\n", 1)[1] for part in out.split("---\n# Source: ")[1:]]
    else:
        documents = []
        for path, text in sorted(engine_output(values, name, namespace).items()):
            if not path.endswith("NOTES.txt"):
                documents += text.split("\n---\n")
    return [text.strip() + "\n" for text in documents if yaml.safe_load(text)]


def documents(values, **where):
    return [yaml.safe_load(text) for text in texts(values, **where)]


def lint(values):
    """Faults and warnings that Helm finds, none if all is well."""
    if HELM:
        try:
            helm("lint", values, "--strict", "--quiet", str(CHART))
        except Refused as refusal:
            return [str(refusal)]
        return []
    outcome = helm_python.lint(str(CHART), values, strict=True, quiet=True, kube_version=f"v{KUBERNETES}")
    return [str(error) for error in outcome["errors"] or []]


def helm(command, values, *arguments):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        json.dump(values, file)
        file.flush()
        run = subprocess.run([HELM, command, *arguments, "--values", file.name, "--kube-version", KUBERNETES],
                             capture_output=True, text=True, timeout=60)
    if run.returncode != 0:
        raise Refused(run.stdout + run.stderr)
    return run.stdout


def engine_output(values, name, namespace):
    try:
        with helm_python.Chart.load(str(CHART)) as chart:
            chart.validate_schema(values)
            return chart.render(values, name=name, namespace=namespace)
    except helm_python.HelmError as error:
        raise Refused(str(error)) from None
