#!/usr/bin/env python3
"""Counts, for each product, the users that have it in assignedLicenses, straight from Microsoft Graph.

Reads AUTHORITY, GRAPH, TENANT, CLIENT and SECRET from the environment and prints one JSON object:
{"counted": {skuId: users}, "consumedUnits": {skuId: units}}. Standard library only; shares nothing with the product.
"""

import json
import os
import urllib.parse
import urllib.request
from collections import Counter


def ask(url, token=None, form=None):
    data = urllib.parse.urlencode(form).encode() if form else None
    request = urllib.request.Request(url, data=data)
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def collection(url, token):
    while url:
        page = ask(url, token)
        yield from page["value"]
        url = page.get("@odata.nextLink")


def main():
    environment = os.environ
    form = {
        "grant_type": "client_credentials",
        "client_id": environment["CLIENT"],
        "client_secret": environment["SECRET"],
        "scope": environment["GRAPH"] + "/.default",
    }
    login = "{AUTHORITY}/{TENANT}/oauth2/v2.0/token".format_map(environment)
    token = ask(login, form=form)["access_token"]
    graph = environment["GRAPH"] + "/v1.0"
    counted = Counter()
    for user in collection(graph + "/users?$select=id,assignedLicenses&$top=500", token):
        counted.update({entry["skuId"].lower() for entry in user["assignedLicenses"]})
    consumed = {
        sku["skuId"].lower(): sku["consumedUnits"]
        for sku in collection(graph + "/subscribedSkus", token)
    }
    print(json.dumps({"counted": counted, "consumedUnits": consumed}))


main()
