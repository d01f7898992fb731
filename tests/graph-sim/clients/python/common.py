"""What both scripts share: where the simulator is, its truth, and how a check is told."""

import json
import os
import ssl
import sys
import traceback
import urllib.request

READY = json.loads(os.environ["GRAPH_SIM"])
TENANT = READY["tenants"][0]
SCOPE = "https://graph.microsoft.com/.default"
TRUST = ssl.create_default_context(cafile=READY["ca"])


def control(path, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{READY['control']}/{path}", data=data, method=method)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, context=TRUST) as answer:
        return answer.read()


def truth(kind):
    """The objects that really exist, by id."""
    lines = control(f"truth?tenant=0&kind={kind}").splitlines()
    return {each["id"]: each for each in map(json.loads, lines)}


def same(what, got, wanted):
    """Both are ids; a list may not hold one twice."""
    if len(got) != len(set(got)):
        raise AssertionError(f"{what}: {len(got) - len(set(got))} came twice")
    missing, extra = set(wanted) - set(got), set(got) - set(wanted)
    if missing or extra:
        raise AssertionError(
            f"{what}: {len(missing)} missing, {len(extra)} too many, such as {[*missing, *extra][:3]}"
        )


class Report:
    """One line for each check, which `cargo xtask clients` counts."""

    failed = False

    def check(self, name):
        return _Check(self, name)

    def end(self):
        sys.exit(1 if self.failed else 0)


class _Check:
    def __init__(self, report, name):
        self.report, self.name = report, name

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if error is None:
            print(f"ok - {self.name}", flush=True)
        elif isinstance(error, Exception):
            self.report.failed = True
            print(f"not ok - {self.name}", flush=True)
            traceback.print_exception(kind, error, trace)
            return True
        return False
