"""Renders overlays by kubectl and holds what comes out against the schemas of Kubernetes. Prints JSON: by overlay its objects;
how many were judged, an object that several overlays have once; and what is wrong.

judge.py VERSION,VERSION DIRECTORY...    ("" for no version: then they are only rendered)
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubernetes_validate
import yaml

# Extensions, whose schemas Kubernetes doesn't have.
OTHERS = ("cert-manager.io", "keda.sh", "rabbitmq.com", "postgresql.cnpg.io")


def render(directory):
    kubectl = Path(sys.executable).parent / "kubectl"
    rendered = subprocess.run([kubectl, "kustomize", directory], capture_output=True, text=True)
    if rendered.returncode:
        sys.exit(f"{directory}: {rendered.stderr}")
    return [o for o in yaml.load_all(rendered.stdout, yaml.CSafeLoader) if o]


def main():
    versions, directories = [v for v in sys.argv[1].split(",") if v], sys.argv[2:]
    with ThreadPoolExecutor() as threads:
        overlays = dict(zip((Path(d).name for d in directories), threads.map(render, directories)))
    once = {json.dumps(o, sort_keys=True): o for objects in overlays.values() for o in objects}
    wrong, judged = [], 0
    for o in once.values():
        if o["apiVersion"].split("/")[0] in OTHERS:
            continue
        for version in versions:
            judged += 1
            try:
                kubernetes_validate.validate(o, version, strict=True)
            except kubernetes_validate.ValidationError as e:
                where = ".".join(str(part) for part in e.path)
                wrong.append(f"{version}: {o['kind']} {o['metadata']['name']}: {where}: {e.message}")
    json.dump({"overlays": overlays, "judged": judged, "wrong": wrong}, sys.stdout)


main()
