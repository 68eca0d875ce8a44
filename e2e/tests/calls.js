// Everything but listing: get, update, and the three ways to end.
import assert from "node:assert/strict";
import { check, createSession } from "./server.js";

export function calls(client, connected, row, unoffered) {
  const { kind: notFound } = client.errors.notFound;
  const user = (name) => `auth0|${name} of ${client.major}`;

  row("get", "gets a session as it was made", async () => {
    const { session } = await createSession(user("get"));
    assert.deepEqual(await connected.get(session.id), session);
  });

  if (client.offers.update) {
    row("update", "gets, updates and clears metadata", async () => {
      const { session } = await createSession(user("update"));
      assert.deepEqual(await connected.get(session.id), session);
      const updated = await connected.update(session.id, { session_metadata: { a: "1", b: "2" } });
      assert.deepEqual(updated.session_metadata, { a: "1", b: "2" });
      const replaced = await connected.update(session.id, { session_metadata: { c: "3" } });
      assert.deepEqual(replaced.session_metadata, { c: "3" });
      assert.deepEqual(await connected.get(session.id), replaced);
      assert.deepEqual((await connected.update(session.id, { session_metadata: null })).session_metadata, {});
    });
  } else {
    unoffered("update", "update");
  }

  row("list after a check", "a check shows in the listing at once", async () => {
    const { session, token } = await createSession(user("checked"));
    await new Promise((done) => setTimeout(done, 5));
    assert.deepEqual(await check(token), { status: 200, user: encodeURIComponent(user("checked")).replaceAll("%7C", "|").replaceAll("%20", " "), session: session.id });
    const { sessions } = await connected.list(user("checked"));
    assert.ok(sessions[0].last_interacted_at > session.last_interacted_at);
    assert.equal(sessions[0].device.last_ip, "127.0.0.1");
    assert.equal(sessions[0].device.initial_ip, session.device.initial_ip);
    return "shows it";
  });

  for (const [name, method, end] of [
    ["delete", "delete", (session) => connected.delete(session.id)],
    ["revoke", "revoke", (session) => connected.revoke(session.id)],
    ["delete all", "deleteAll", (session) => connected.deleteAll(session.user_id)],
  ]) {
    if (client.offers[method] === false) {
      unoffered(name, method);
      continue;
    }
    row(name, `${name} ends the session for every door, and can be repeated`, async () => {
      const { session, token } = await createSession(user(name));
      assert.equal((await check(token)).status, 200);
      assert.equal(await end(session), 202);
      assert.deepEqual(await check(token), { status: 401, user: "", session: "" });
      assert.deepEqual((await connected.list(session.user_id)).sessions, []);
      await assert.rejects(connected.get(session.id), notFound);
      if (name === "revoke") {
        await assert.rejects(end(session), notFound);
      } else {
        assert.equal(await end(session), 202);
      }
    });
  }

  row("delete of an unknown session", "delete of an unknown session is accepted", async () => {
    assert.equal(await connected.delete("unknown-session-0000"), 202);
    return "accepted";
  });
}
