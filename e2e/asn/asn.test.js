// With a real database: where a session was made and where it was used last are
// shown with the networks that the addresses belong to.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession, domain, fetchToken } from "../tests/server.js";

async function list(userId) {
  const answer = await fetch(`https://${domain}/api/v2/users/${encodeURIComponent(userId)}/sessions`, {
    headers: { authorization: `Bearer ${await fetchToken()}` },
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).sessions;
}

for (const [ip, asn] of [["8.8.8.8", "15169"], ["2001:4860:4860::8888", "15169"], ["1.1.1.1", "13335"]]) {
  test(`${ip} is in AS${asn}`, async () => {
    await createSession(`auth0|${ip}`, { device: { ip, user_agent: "test" } });
    const [{ device }] = await list(`auth0|${ip}`);
    assert.equal(device.initial_asn, asn);
    assert.equal(device.last_asn, asn);
    assert.equal(device.last_ip, ip);
  });
}

test("an address of no network has no number", async () => {
  await createSession("auth0|nowhere", { device: { ip: "192.0.2.1", user_agent: "test" } });
  const [{ device }] = await list("auth0|nowhere");
  assert.equal("initial_asn" in device, false);
  assert.equal("last_asn" in device, false);
});
