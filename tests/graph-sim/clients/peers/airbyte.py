"""Airbyte's CDK: a declarative connector as Airbyte's own for Entra ID is one, run as Airbyte runs it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from common import SELECT, TENANT, Found

MANIFEST = {
    "version": "6.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["users"]},
    "streams": [
        {
            "type": "DeclarativeStream",
            "name": "users",
            "primary_key": ["id"],
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {
                    "type": "HttpRequester",
                    "url_base": f"{TENANT['graph']}/v1.0",
                    "path": "/users",
                    "http_method": "GET",
                    "request_parameters": {"$select": ",".join(SELECT)},
                    "authenticator": {
                        "type": "OAuthAuthenticator",
                        "client_id": "{{ config['client_id'] }}",
                        "client_secret": "{{ config['client_secret'] }}",
                        "grant_type": "client_credentials",
                        "token_refresh_endpoint": f"{TENANT['authority']}/{TENANT['id']}/oauth2/v2.0/token",
                        "refresh_request_body": {"scope": "https://graph.microsoft.com/.default"},
                    },
                },
                "record_selector": {
                    "type": "RecordSelector",
                    "extractor": {"type": "DpathExtractor", "field_path": ["value"]},
                },
                "paginator": {
                    "type": "DefaultPaginator",
                    "page_token_option": {"type": "RequestPath"},
                    "pagination_strategy": {
                        "type": "CursorPagination",
                        "cursor_value": "{{ response.get('@odata.nextLink', '') }}",
                        "stop_condition": "{{ not response.get('@odata.nextLink') }}",
                    },
                },
            },
            "schema_loader": {
                "type": "InlineSchemaLoader",
                "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
            },
        }
    ],
    "spec": {
        "type": "Spec",
        "connection_specification": {"type": "object", "properties": {}},
    },
}
CATALOG = {
    "streams": [
        {
            "stream": {
                "name": "users",
                "json_schema": {"type": "object"},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
    ]
}
users, error = Found(), None
with tempfile.TemporaryDirectory() as home:
    config, catalog = Path(home, "config.json"), Path(home, "catalog.json")
    settings = {"client_id": TENANT["clientId"], "client_secret": TENANT["clientSecret"]}
    config.write_text(json.dumps({**settings, "__injected_declarative_manifest": MANIFEST}))
    catalog.write_text(json.dumps(CATALOG))
    command = [Path(sys.executable).with_name("source-declarative-manifest"), "read"]
    command += ["--config", config, "--catalog", catalog]
    read = subprocess.run(command, stdout=subprocess.PIPE, text=True)
for line in read.stdout.splitlines():
    message = json.loads(line)
    if message["type"] == "RECORD":
        data = message["record"]["data"]
        users.add(data["id"], data["assignedLicenses"])
    elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
        error = message["trace"]["error"]["message"]
if read.returncode != 0:
    error = error or f"exit code {read.returncode}"
users.tell(error)
