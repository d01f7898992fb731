"""dlt: its REST API source, as its documentation shows it for links in the body."""

import os

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"

from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.rest_api import rest_api_source

from common import SELECT, TENANT, Found

source = rest_api_source(
    {
        "client": {
            "base_url": f"{TENANT['graph']}/v1.0/",
            "auth": OAuth2ClientCredentials(
                access_token_url=f"{TENANT['authority']}/{TENANT['id']}/oauth2/v2.0/token",
                client_id=TENANT["clientId"],
                client_secret=TENANT["clientSecret"],
                access_token_request_data={"scope": "https://graph.microsoft.com/.default"},
            ),
            "paginator": {"type": "json_link", "next_url_path": '"@odata.nextLink"'},
        },
        "resources": [
            {
                "name": "users",
                "endpoint": {
                    "path": "users",
                    "params": {"$select": ",".join(SELECT), "$top": 999},
                    "data_selector": "value",
                },
            }
        ],
    }
)
users = Found()
try:
    for user in source.resources["users"]:
        users.add(user["id"], user["assignedLicenses"])
except Exception as e:
    users.tell(f"{type(e).__name__}: {e}")
users.tell(None)
