"""Reads the requests that a webhook got with the CloudEvents SDK, and checks how they are signed.

    cloudevents_read.py [--secret FILE] [--signature HEADER] [--timestamp HEADER]

Standard input is a JSON array of requests, {"headers": {name: value}, "body": text}. Prints an array with, for each request,

    {"mode": "structured" | "batch", "signed": true | false | null, "events": [{"attributes": {…}, "data": …}, …]}

`signed` is null without --secret. The signature is HMAC-SHA-256 over timestamp, "." and the body, in hexadecimal digits. Without
--timestamp one header has both, as t=TIMESTAMP,v1=SIGNATURE; with it each has a header of its own.

Exits with 1, and says on standard error what is wrong, if the SDK refuses an event or would have to complete it.
"""

import argparse
import hashlib
import hmac
import json
import sys
from pathlib import Path

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.v1.event import CloudEvent

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


def signed(headers, body, arguments):
    if arguments.secret is None:
        return None
    told = headers.get(arguments.signature.lower(), "")
    if arguments.timestamp is None:
        parts = [part.split("=", 1) for part in told.split(",") if "=" in part]
        times = [value for name, value in parts if name == "t"]
        given = [value for name, value in parts if name == "v1"]
    else:
        times, given = [headers.get(arguments.timestamp.lower(), "")], [told.removeprefix("sha256=")]
    if len(times) != 1:
        return False
    secret = arguments.secret.read_bytes()
    wanted = hmac.new(secret, times[0].encode() + b"." + body.encode(), hashlib.sha256).hexdigest()
    return any(hmac.compare_digest(wanted, each) for each in given)


def event(raw):
    missing = {"id", "source", "specversion", "type"} - raw.keys()
    if missing:
        # The SDK would make up an id.
        raise ValueError(f"lacks {', '.join(sorted(missing))}")
    # The SDK has no batches: an event of one is as a message of its own.
    read = from_structured_event(HTTPMessage({"content-type": STRUCTURED}, json.dumps(raw).encode()))
    if not isinstance(read, CloudEvent):
        raise ValueError(f"is of version {read.get_specversion()}, not 1.0")
    return {"attributes": read.get_attributes(), "data": read.get_data()}


def request(each, arguments):
    headers = {name.lower(): value for name, value in each["headers"].items()}
    media = headers.get("content-type", "").split(";")[0].strip()
    content = json.loads(each["body"])
    if media == STRUCTURED and isinstance(content, dict):
        mode, events = "structured", [content]
    elif media == BATCH and isinstance(content, list):
        mode, events = "batch", content
    else:
        raise ValueError(f"{media} with a {type(content).__name__} is neither structured nor a batch")
    return {"mode": mode, "signed": signed(headers, each["body"], arguments), "events": [event(raw) for raw in events]}


arguments = argparse.ArgumentParser()
arguments.add_argument("--secret", type=Path)
arguments.add_argument("--signature", default="leastwise-signature")
arguments.add_argument("--timestamp")
arguments = arguments.parse_args()
printed = []
for number, each in enumerate(json.load(sys.stdin)):
    try:
        printed.append(request(each, arguments))
    except Exception as error:
        print(f"request {number}: {type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)
json.dump(printed, sys.stdout, default=str)
