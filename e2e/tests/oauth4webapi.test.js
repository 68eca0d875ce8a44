// A library of OAuth clients and resource servers, given nothing but the issuer, an id and
// a secret or a key: it finds the endpoints, gets a token, introspects and revokes.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe } from "node:test";
import * as oauth from "oauth4webapi";
import { newClient, startServer } from "../rollcall.js";
import { installedVersion } from "./clients/version.js";
import { recorded } from "./results.js";

const library = { title: `oauth4webapi ${installedVersion("oauth4webapi")} (npm)` };

describe(library.title, async () => {
  const { publicKey, privateKey } = await oauth.generateKeyPair("ES256", { extractable: true });
  const keys = join(process.env.ROLLCALL_RESULTS, "oauth4webapi.jwks.json");
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  writeFileSync(keys, JSON.stringify({ keys: [{ kty, crv, x, y, kid: "one" }] }));

  const backend = newClient("backend", "create:sessions introspect");
  const weak = newClient("weak", "read:sessions");
  const server = await startServer({
    clients: [backend.declaration, weak.declaration, { client_id: "signer", public_key_file: keys, scopes: ["introspect"] }],
    // The certificate that this process trusts from its start.
    tls_cert: join(process.env.ROLLCALL_TLS, "cert.pem"),
    tls_key: join(process.env.ROLLCALL_TLS, "key.pem"),
  }, { caFile: process.env.NODE_EXTRA_CA_CERTS });

  const issuer = new URL(`https://${server.domain}/`);
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2" }));
  const client = { client_id: "backend" };
  const secret = oauth.ClientSecretBasic(backend.secret);
  const introspect = async (token, of = client, by = secret) =>
    oauth.processIntrospectionResponse(as, of, await oauth.introspectionRequest(as, of, by, token));
  const revoke = async (token, of = client, by = secret) =>
    oauth.processRevocationResponse(await oauth.revocationRequest(as, of, by, token));

  async function managementToken() {
    const answer = await oauth.clientCredentialsGrantRequest(as, client, secret, { audience: `${issuer}api/v2/` });
    return (await oauth.processClientCredentialsResponse(as, client, answer)).access_token;
  }

  async function signIn() {
    const answer = await fetch(`${issuer}v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await managementToken()}` },
      body: JSON.stringify({ user_id: "auth0|oauth4webapi", authentication: { methods: [{ name: "pwd" }] } }),
    });
    assert.equal(answer.status, 201);
    return answer.json();
  }

  recorded(library, "discovery", "finds every endpoint in the metadata", async () => {
    assert.equal(as.token_endpoint, `${issuer}oauth/token`);
    assert.deepEqual(as.grant_types_supported, ["client_credentials"]);
  });

  recorded(library, "client credentials", "gets a management token that works", async () => {
    assert.ok((await signIn()).token.startsWith("rcs_"));
  });

  for (const [name, of, by] of [
    ["client_secret_basic", client, secret],
    ["client_secret_post", client, oauth.ClientSecretPost(backend.secret)],
    ["private_key_jwt", { client_id: "signer" }, oauth.PrivateKeyJwt({ key: privateKey, kid: "one" })],
  ]) {
    recorded(library, `introspection, ${name}`, `introspects with ${name}`, async () => {
      const { token, session } = await signIn();
      const said = await introspect(token, of, by);
      assert.equal(said.active, true);
      assert.equal(said.sub, "auth0|oauth4webapi");
      assert.equal(said.sid, session.id);
      assert.deepEqual(said.amr, ["pwd"]);
      assert.deepEqual(await introspect("rcs_unknown", of, by), { active: false });
    });
    recorded(library, `revocation, ${name}`, `revokes with ${name}`, async () => {
      const { token } = await signIn();
      await revoke(token, of, by);
      await revoke(token, of, by);
      assert.deepEqual(await introspect(token), { active: false });
    });
  }

  // refusal answers the name of the error's class, once its status is the wanted one.
  async function refusal(status, act) {
    const error = await act().then(() => assert.fail("it was accepted"), (error) => error);
    assert.equal(error.status, status, `${error}`);
    return error.constructor.name;
  }

  recorded(library, "401, a wrong secret", "is told of a wrong secret", () =>
    refusal(401, () => introspect("rcs_x", client, oauth.ClientSecretBasic("wrong"))));
  recorded(library, "403, introspection without the scope", "is told that it may not ask", async () => {
    const { token } = await signIn();
    return refusal(403, () => introspect(token, { client_id: "weak" }, oauth.ClientSecretPost(weak.secret)));
  });
  recorded(library, "400, revocation of a management token", "is told that a management token stays good", async () => {
    const token = await managementToken();
    return refusal(400, () => revoke(token));
  });

  after(async () => assert.equal(await server.stop(false), 0));
});
