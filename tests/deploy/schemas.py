"""`python -m tests.deploy.schemas --folder DIR`: strictly validates the manifests and compose.yaml by their schemas.

It is not part of the tests because it downloads its tools into the folder: kustomize and the loader of compose files
(built with Go), the package kubernetes-validate, and the schemas of KEDA and the Prometheus operator (from their Go
modules).
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DEPLOY = Path(__file__).parents[2] / "deploy"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"
COMPOSE = "github.com/compose-spec/compose-go/v2/cmd@v2.9.0"
VALIDATE = "kubernetes-validate==1.37.0"
# by kind: Go module, and the file in it that defines the kind
CRDS = {
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.18.0", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    **{
        kind: (
            "github.com/prometheus-operator/prometheus-operator@v0.85.0",
            f"example/prometheus-operator-crd/monitoring.coreos.com_{kind.lower()}s.yaml",
        )
        for kind in ("PodMonitor", "PrometheusRule")
    },
}


def run(*command: str, cwd: Path | None = None, **more: str) -> str:
    done = subprocess.run(command, cwd=cwd, env=os.environ | more, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def crd_schema(kind: str, folder: Path) -> dict[str, Any]:
    module, file = CRDS[kind]
    (folder / "go.mod").write_text("module schemas\n")
    there = json.loads(run("go", "mod", "download", "-json", module, cwd=folder))["Dir"]
    (version,) = yaml.safe_load(Path(there, file).read_text())["spec"]["versions"]
    schema: dict[str, Any] = version["schema"]["openAPIV3Schema"]
    for name in ("metadata", "status"):
        schema["properties"].pop(name, None)
    schema["properties"]["metadata"] = {"type": "object"}
    found: dict[str, Any] = closed(schema)
    return found


def closed(schema: Any) -> Any:
    """Validate strictly: an unknown field, which Kubernetes would drop, is an error."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def prometheus_rule() -> dict[str, Any]:
    """Build the PrometheusRule from the rule files as described in docs/how-to/automation-engineer/monitor.md."""
    groups = [
        group
        for file in sorted((DEPLOY / "prometheus").glob("*_rules.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "stripwatch"},
        "spec": {"groups": groups},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    folder: Path = parser.parse_args().folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    run("go", "install", KUSTOMIZE, GOBIN=str(folder))
    run("go", "install", COMPOSE, GOBIN=str(folder))
    run(sys.executable, "-m", "venv", str(folder / "venv"))
    run(str(folder / "venv/bin/pip"), "install", "-q", VALIDATE)

    run(str(folder / "cmd"), str(DEPLOY / "compose.yaml"))
    checked = ["compose.yaml"]
    for overlay in ("base", "gpu"):
        built = folder / f"{overlay}.yaml"
        built.write_text(run(str(folder / "kustomize"), "build", str(DEPLOY / "kubernetes" / overlay)))
        for manifest in [*yaml.safe_load_all(built.read_text()), prometheus_rule()]:
            kind = manifest["kind"]
            if kind in CRDS:
                Draft202012Validator(crd_schema(kind, folder)).validate(manifest)
            else:
                one = folder / "one.yaml"
                one.write_text(yaml.safe_dump(manifest))
                run(str(folder / "venv/bin/kubernetes-validate"), "--strict", str(one))
            checked.append(f"{overlay}/{kind}")
    print(json.dumps({"checked": checked}))


if __name__ == "__main__":
    main()
