// The Graph client for JavaScript reads users and groups, page by page and by delta, and everything arrives.

import assert from "node:assert/strict";

import { ClientSecretCredential } from "@azure/identity";
import { Client, PageIterator } from "@microsoft/microsoft-graph-client";
import { TokenCredentialAuthenticationProvider } from "@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js";

import { check, control, same, SCOPE, tenant, truth } from "./common.mjs";

const credential = new ClientSecretCredential(tenant.id, tenant.clientId, tenant.clientSecret, {
  authorityHost: tenant.authority,
  disableInstanceDiscovery: true,
});
const client = Client.initWithMiddleware({
  authProvider: new TokenCredentialAuthenticationProvider(credential, { scopes: [SCOPE] }),
  baseUrl: `${tenant.graph}/`,
  defaultVersion: "v1.0",
  // The client sends tokens only to hosts of Microsoft unless it is told others.
  customHosts: new Set([new URL(tenant.graph).hostname]),
});

// Everything from the first page on, by the client's own iterator, and the link to the next round of delta.
async function allPages(first) {
  const found = [];
  const iterator = new PageIterator(client, first, (each) => found.push(each) > 0);
  await iterator.iterate();
  return [found, iterator.getDeltaLink()];
}

function apply(state, changes) {
  for (const each of changes) {
    if (each["@removed"]) state.delete(each.id);
    else state.add(each.id);
  }
}

await check("microsoft-graph-client: all users, page by page", async () => {
  const first = await client.api("/users").select(["id", "displayName", "assignedLicenses"]).top(500).get();
  const [users] = await allPages(first);
  const wanted = await truth("users");
  same("users", users.map((user) => user.id), wanted.keys());
  for (const user of users) {
    assert.equal(user.displayName, wanted.get(user.id).displayName);
    assert.deepEqual(user.assignedLicenses, wanted.get(user.id).assignedLicenses);
  }
});

await check("microsoft-graph-client: all groups, and the members of some", async () => {
  const [groups] = await allPages(await client.api("/groups").get());
  same("groups", groups.map((group) => group.id), (await truth("groups")).keys());
  for (const group of groups.slice(0, 5)) {
    const [members] = await allPages(await client.api(`/groups/${group.id}/members`).select("id").get());
    assert.ok(members.every((member) => member["@odata.type"]), group.id);
  }
});

await check("microsoft-graph-client: counts, filters and one user by id", async () => {
  const request = client.api("/users").header("ConsistencyLevel", "eventual").count(true);
  const page = await request.filter("accountEnabled eq false").select("id").get();
  const disabled = [...(await truth("users")).values()].filter((user) => !user.accountEnabled);
  assert.equal(page["@odata.count"], disabled.length);
  const one = await client.api(`/users/${disabled[0].id}`).get();
  assert.equal(one.userPrincipalName, disabled[0].userPrincipalName);
});

await check("microsoft-graph-client: an object that is not there is a GraphError with Graph's code", async () => {
  await assert.rejects(client.api("/users/99999999-8888-7777-6666-555555555555").get(), (error) => {
    assert.equal(error.statusCode, 404);
    assert.equal(error.code, "Request_ResourceNotFound");
    assert.ok(error.requestId);
    return true;
  });
});

await check("microsoft-graph-client: its own retries get through 503 and 429 with Retry-After", async () => {
  for (const status of [503, 429]) {
    await control("faults", "POST", { status, path: "/organization", times: 1, retryAfter: 1 });
  }
  const organization = await client.api("/organization").get();
  assert.equal(organization.value[0].id, tenant.id);
});

await check("microsoft-graph-client: delta of users and of groups, then what some days changed", async () => {
  const links = {};
  const states = {};
  for (const kind of ["users", "groups"]) {
    const first = await client.api(`/${kind}/delta`).select(["id", "displayName"]).get();
    const [found, link] = await allPages(first);
    states[kind] = new Set();
    apply(states[kind], found);
    same(`delta of ${kind}`, [...states[kind]], (await truth(kind)).keys());
    links[kind] = link;
  }
  // Links of delta are good for a week.
  await control("advance?days=5", "POST");
  for (const kind of ["users", "groups"]) {
    const [changes] = await allPages(await client.api(links[kind]).get());
    if (kind === "users") {
      assert.ok(changes.length > 0 && changes.length < states[kind].size, `${changes.length} changes`);
      assert.ok(changes.some((each) => each["@removed"]), "nobody left");
    }
    apply(states[kind], changes);
    same(`${kind} five days later`, [...states[kind]], (await truth(kind)).keys());
  }
});
