"""The Graph SDK for Python: its page iterator, as its documentation shows it."""

import asyncio

from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator
from urllib.parse import urlsplit

from common import SELECT, TENANT, Found


async def read(found):
    credential = ClientSecretCredential(
        TENANT["id"],
        TENANT["clientId"],
        TENANT["clientSecret"],
        authority=TENANT["authority"],
        disable_instance_discovery=True,
    )
    # The SDK sends tokens only to hosts of Microsoft unless it is told others.
    host = urlsplit(TENANT["graph"]).hostname
    scope = "https://graph.microsoft.com/.default"
    provider = AzureIdentityAuthenticationProvider(credential, scopes=[scope], allowed_hosts=[host])
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{TENANT['graph']}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=SELECT, top=999)
    page = await client.users.get(RequestConfiguration(query_parameters=query))

    def keep(user):
        found.add(user.id, user.assigned_licenses)
        return True

    async with credential:
        await PageIterator(page, client.request_adapter).iterate(keep)


users = Found()
try:
    asyncio.run(read(users))
except Exception as e:
    users.tell(f"{type(e).__name__}: {e}")
users.tell(None)
