// An OpenID provider that others wrote and that is certified, laid out as Entra ID is. The token-broker asks it for tokens.
//
// PROVIDER tells what it is for. It says where it is on its first line, then each refusal with its reason on a line of
// its own, and ends with its standard input.

import { generateKeyPairSync, randomUUID, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";

import { SignJWT } from "jose";
import { Provider } from "oidc-provider";

const { tls, tenant, graph, roles, certificate } = JSON.parse(process.env.PROVIDER);

// One application is known by a certificate, the other one trusts the key of somebody else, who signs in its name.
const byCertificate = randomUUID();
const federated = randomUUID();
const issuer = generateKeyPairSync("rsa", { modulusLength: 2048 });

function application(id, algorithm, key) {
  return {
    client_id: id,
    grant_types: ["client_credentials"],
    redirect_uris: [],
    response_types: [],
    token_endpoint_auth_method: "private_key_jwt",
    token_endpoint_auth_signing_alg: algorithm,
    jwks: { keys: [{ ...key.export({ format: "jwk" }), use: "sig", alg: algorithm }] },
  };
}

const signing = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const configuration = {
  clients: [
    application(byCertificate, "PS256", new X509Certificate(certificate).publicKey),
    application(federated, "RS256", issuer.publicKey),
  ],
  clientAuthMethods: ["private_key_jwt"],
  enabledJWA: { clientAuthSigningAlgValues: ["PS256", "RS256"] },
  // What Entra ID says of an application in its tokens.
  extraTokenClaims: (_, token) => ({ tid: tenant, appid: token.clientId, idtyp: "app", roles }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => graph,
      getResourceServerInfo: () => ({ scope: `${graph}/.default`, accessTokenFormat: "jwt", accessTokenTTL: 3599 }),
    },
  },
  jwks: { keys: [{ ...signing, use: "sig", alg: "RS256" }] },
  routes: { token: "/oauth2/v2.0/token" },
  ttl: { ClientCredentials: 3599 },
};

// The provider lies below the tenant's id, as each tenant of Entra ID does.
const server = createServer({ cert: readFileSync(tls.certificate), key: readFileSync(tls.key) });
await new Promise((listens) => server.listen(0, "127.0.0.1", listens));
const authority = `https://localhost:${server.address().port}`;
const provider = new Provider(`${authority}/${tenant}`, configuration);
provider.on("grant.error", (_, error) => console.log(JSON.stringify({ refused: error.error_detail ?? error.message })));
const answer = provider.callback();
server.on("request", (request, response) => {
  request.originalUrl = request.url;
  const below = `/${tenant}`;
  if (request.url.startsWith(`${below}/`)) request.url = request.url.slice(below.length);
  answer(request, response);
});

// Two, because each is good for one request.
const token = () =>
  new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: "RS256" })
    .setIssuer(federated)
    .setSubject(federated)
    .setAudience(`${authority}/${tenant}`)
    .setIssuedAt()
    .setExpirationTime("5m")
    .sign(issuer.privateKey);
const tokens = [await token(), await token()];

console.log(JSON.stringify({ authority, byCertificate, federated, tokens }));
process.stdin.resume().on("end", () => process.exit());
