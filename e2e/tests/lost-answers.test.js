// A sign-in whose answer is lost with the connection.
import assert from "node:assert/strict";
import { test } from "node:test";
import { domain, fetchToken } from "./server.js";
import { startFaults } from "./faults.js";

test("a sign-in repeated with its Idempotency-Key after the connection was cut gives the same session", async (t) => {
  const proxy = await startFaults(t, { cut: true });
  const token = await fetchToken();
  const signIn = (at, key) => fetch(`https://${at}/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}`, "idempotency-key": key },
    body: JSON.stringify({ user_id: "auth0|cut off", client_id: "shop", authentication: { methods: [{ name: "pwd" }] } }),
  });
  await assert.rejects(signIn(proxy.domain, "login-1"), TypeError);
  const lost = proxy.arrivals[0].answer;
  assert.equal(lost.status, 201);
  const again = await signIn(proxy.domain, "login-1");
  assert.equal(again.status, 201);
  assert.deepEqual(await again.json(), JSON.parse(lost.body));

  // Another key is another session, and there are no more than the two.
  const other = await signIn(domain, "login-2");
  const answer = await fetch(`https://${domain}/api/v2/users/${encodeURIComponent("auth0|cut off")}/sessions`, { headers: { authorization: `Bearer ${token}` } });
  const ids = (await answer.json()).sessions.map((s) => s.id).sort();
  assert.deepEqual(ids, [JSON.parse(lost.body).session.id, (await other.json()).session.id].sort());
});
