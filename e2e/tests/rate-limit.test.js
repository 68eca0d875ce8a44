// The server's own rate limit, and a client that lives with it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { ManagementClient, Management } from "auth0-7";
import { knowsSetting, newClient, startServer } from "../rollcall.js";

const skip = knowsSetting("rate_limit") ? false : "this binary has no rate_limit";

test("a client that is over the server's rate limit waits as it is told and gets through", { skip }, async (t) => {
  const limited = newClient("limited", "read:sessions");
  const server = await startServer({
    clients: [limited.declaration],
    // The certificate that this process trusts from its start.
    tls_cert: join(process.env.ROLLCALL_TLS, "cert.pem"),
    tls_key: join(process.env.ROLLCALL_TLS, "key.pem"),
  }, {
    caFile: process.env.NODE_EXTRA_CA_CERTS,
    variables: { ROLLCALL_RATE_LIMIT: "1", ROLLCALL_RATE_BURST: "2" },
  });
  t.after(async () => assert.equal(await server.stop(false), 0));

  const client = new ManagementClient({ domain: server.domain, clientId: "limited", clientSecret: limited.secret });
  const list = (options) => client.users.sessions.list("auth0|nobody", {}, options);
  let refused;
  for (let i = 0; i < 20 && !refused; i++) {
    const before = Math.floor(Date.now() / 1000);
    await list({ maxRetries: 0 }).then(({ rawResponse }) => {
      assert.ok(Number(rawResponse.headers.get("x-ratelimit-limit")) > 0);
      assert.ok(Number(rawResponse.headers.get("x-ratelimit-remaining")) >= 0);
      assert.ok(Number(rawResponse.headers.get("x-ratelimit-reset")) >= before);
    }, (error) => { refused = error; });
  }
  assert.ok(refused instanceof Management.TooManyRequestsError, `${refused}`);
  assert.equal(refused.body.errorCode, "too_many_requests");
  assert.ok(Number(refused.rawResponse.headers.get("retry-after")) >= 1);
  assert.ok(Number(refused.rawResponse.headers.get("x-ratelimit-reset")) * 1000 > Date.now() - 1000);
  assert.deepEqual((await list()).data, []);
});
