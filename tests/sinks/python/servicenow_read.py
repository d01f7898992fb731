"""Reads a table of a ServiceNow instance with pysnc, and prints its rows as JSON.

    servicenow_read.py URL TABLE [QUERY] [--ca FILE] [--batch ROWS]

Takes CLIENT_ID and CLIENT_SECRET from the environment. QUERY is an encoded query. Each row is an object of texts, as
ServiceNow's values are.
"""

import argparse
import json
import os
import sys

from pysnc import ServiceNowClient
from pysnc.auth import ServiceNowClientCredentialsFlow

arguments = argparse.ArgumentParser()
arguments.add_argument("url")
arguments.add_argument("table")
arguments.add_argument("query", nargs="?")
arguments.add_argument("--ca")
arguments.add_argument("--batch", type=int, default=100)
arguments = arguments.parse_args()

if arguments.ca:
    # pysnc asks for its token with a session of its own, which takes no other way to name an authority.
    os.environ["REQUESTS_CA_BUNDLE"] = arguments.ca
flow = ServiceNowClientCredentialsFlow(os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"])
client = ServiceNowClient(arguments.url, flow)
records = client.GlideRecord(arguments.table, batch_size=arguments.batch)
if arguments.query:
    records.add_encoded_query(arguments.query)
records.query()
json.dump([record.serialize() for record in records], sys.stdout)
