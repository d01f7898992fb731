// @azure/identity gets tokens by secret and by certificate, and hears Entra's errors.

import assert from "node:assert/strict";

import { ClientCertificateCredential, ClientSecretCredential } from "@azure/identity";

import { check, SCOPE, tenant } from "./common.mjs";

// The host is none of Microsoft's, so the library must not ask Microsoft about it.
const options = { authorityHost: tenant.authority, disableInstanceDiscovery: true };

await check("@azure/identity: a token by secret, and the second time from the cache", async () => {
  const credential = new ClientSecretCredential(tenant.id, tenant.clientId, tenant.clientSecret, options);
  const first = await credential.getToken(SCOPE);
  assert.ok(first.expiresOnTimestamp > Date.now());
  assert.equal((await credential.getToken(SCOPE)).token, first.token);
});

await check("@azure/identity: a token by certificate", async () => {
  const pem = { certificate: tenant.certificate };
  const credential = new ClientCertificateCredential(tenant.id, tenant.clientId, pem, options);
  const { token } = await credential.getToken(SCOPE);
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  assert.deepEqual([claims.tid, claims.appid, claims.idtyp], [tenant.id, tenant.clientId, "app"]);
});

await check("@azure/identity: a wrong secret is invalid_client, AADSTS7000215", async () => {
  const credential = new ClientSecretCredential(tenant.id, tenant.clientId, "wrong", options);
  await assert.rejects(credential.getToken(SCOPE), (error) => {
    assert.equal(error.name, "AuthenticationRequiredError");
    assert.match(error.message, /invalid_client.*AADSTS7000215/s);
    return true;
  });
});
