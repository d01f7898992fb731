"""The Graph SDK for Python reads users and groups, page by page and by delta, and everything arrives."""

import asyncio
from urllib.parse import urlsplit

from azure.identity.aio import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.groups.delta.delta_request_builder import (
    DeltaRequestBuilder as GroupsDelta,
)
from msgraph.generated.users.delta.delta_request_builder import DeltaRequestBuilder as UsersDelta
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

from common import SCOPE, TENANT, Report, control, same, truth

SELECT = ["id", "displayName", "userPrincipalName", "assignedLicenses", "licenseAssignmentStates"]


def connect(credential):
    # The SDK sends tokens only to hosts of Microsoft unless it is told others.
    host = urlsplit(TENANT["graph"]).hostname
    provider = AzureIdentityAuthenticationProvider(credential, scopes=[SCOPE], allowed_hosts=[host])
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{TENANT['graph']}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def all_pages(client, first):
    """Everything from the first page on, by the SDK's own iterator."""
    found = []
    iterator = PageIterator(first, client.request_adapter)

    def keep(each):
        found.append(each)
        return True

    await iterator.iterate(keep)
    return found


async def delta_round(first, builder):
    """All objects of a round and the link to the next one, by following links by hand as the documentation does."""
    found, page = [], first
    while True:
        found += page.value
        if page.odata_next_link is None:
            return found, page.odata_delta_link
        page = await builder.with_url(page.odata_next_link).get()


def apply(state, changes):
    for each in changes:
        if "@removed" in each.additional_data:
            state.discard(each.id)
        else:
            state.add(each.id)


async def main():
    report = Report()
    credential = ClientSecretCredential(
        TENANT["id"],
        TENANT["clientId"],
        TENANT["clientSecret"],
        authority=TENANT["authority"],
        disable_instance_discovery=True,
    )
    client = connect(credential)

    with report.check("msgraph-sdk: all users, page by page"):
        query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=SELECT, top=500)
        users = await all_pages(client, await client.users.get(RequestConfiguration(query_parameters=query)))
        wanted = truth("users")
        same("users", [user.id for user in users], wanted)
        for user in users:
            assert user.display_name == wanted[user.id]["displayName"], user.id
            skus = {str(each.sku_id) for each in user.assigned_licenses}
            assert skus == {each["skuId"] for each in wanted[user.id]["assignedLicenses"]}, user.id

    with report.check("msgraph-sdk: all groups, and the members of some"):
        groups = await all_pages(client, await client.groups.get())
        same("groups", [group.id for group in groups], truth("groups"))
        for group in groups[:5]:
            members = await all_pages(client, await client.groups.by_group_id(group.id).members.get())
            assert all(member.odata_type for member in members), group.id

    with report.check("msgraph-sdk: counts, filters and one user by id"):
        query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
            select=["id"], filter="accountEnabled eq false", count=True
        )
        configuration = RequestConfiguration(query_parameters=query)
        configuration.headers.add("ConsistencyLevel", "eventual")
        page = await client.users.get(configuration)
        disabled = [each for each in truth("users").values() if not each["accountEnabled"]]
        assert page.odata_count == len(disabled), (page.odata_count, len(disabled))
        one = await client.users.by_user_id(disabled[0]["id"]).get()
        assert one.user_principal_name == disabled[0]["userPrincipalName"]

    with report.check("msgraph-sdk: an object that is not there is an ODataError with Graph's code"):
        try:
            await client.users.by_user_id("99999999-8888-7777-6666-555555555555").get()
            raise AssertionError("no error")
        except Exception as error:
            assert type(error).__name__ == "ODataError", error
            assert error.response_status_code == 404, error
            assert error.error.code == "Request_ResourceNotFound", error

    with report.check("msgraph-sdk: its own retries get through 503 and 429 with Retry-After"):
        for status in (503, 429):
            control("faults", "POST", {"status": status, "path": "/organization", "times": 1, "retryAfter": 1})
        organization = await client.organization.get()
        assert organization.value[0].id == TENANT["id"]

    with report.check("msgraph-sdk: delta of users and of groups, then what some days changed"):
        query = UsersDelta.DeltaRequestBuilderGetQueryParameters(select=["id", "displayName"])
        first = await client.users.delta.get(RequestConfiguration(query_parameters=query))
        found, users_link = await delta_round(first, client.users.delta)
        users = set()
        apply(users, found)
        same("delta of users", list(users), truth("users"))
        query = GroupsDelta.DeltaRequestBuilderGetQueryParameters(select=["id", "displayName"])
        first = await client.groups.delta.get(RequestConfiguration(query_parameters=query))
        found, groups_link = await delta_round(first, client.groups.delta)
        groups = set()
        apply(groups, found)
        same("delta of groups", list(groups), truth("groups"))

        # Links of delta are good for a week.
        control("advance?days=5", "POST")
        first = await client.users.delta.with_url(users_link).get()
        changes, _ = await delta_round(first, client.users.delta)
        assert 0 < len(changes) < len(users), len(changes)
        assert any("@removed" in each.additional_data for each in changes), "nobody left"
        apply(users, changes)
        same("users five days later", list(users), truth("users"))
        first = await client.groups.delta.with_url(groups_link).get()
        changes, _ = await delta_round(first, client.groups.delta)
        apply(groups, changes)
        same("groups five days later", list(groups), truth("groups"))

    await credential.close()
    report.end()


asyncio.run(main())
