// Listing: what a page has, and where it ends.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { createSession } from "./server.js";
import { manyCount, manyIds, manyUser } from "./many.js";

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

async function everyPage(connected, userId, options) {
  const pages = [];
  let page = await connected.list(userId, options);
  for (;;) {
    pages.push(page.sessions);
    assert.ok(pages.length <= manyCount, "the pages do not end");
    if (!page.next) {
      return pages;
    }
    page = await page.next();
  }
}

export function lists(client, connected, row) {
  const { totals, visitAll } = client.offers;
  const user = (name) => `auth0|${name} of ${client.major}`;

  row("token by client credentials", "fetches a token by client credentials and lists a user nobody has seen", async () => {
    const page = await connected.list("auth0|nobody");
    assert.deepEqual(page.sessions, []);
    assert.equal(page.next, undefined);
  });

  row("list a user's sessions", "lists a session with every field as published", async () => {
    const { session } = await createSession(user("fields"), {
      authentication: { methods: [{ name: "pwd" }, { name: "mfa", type: "otp" }] },
      session_metadata: { "device-name": "Ada's <laptop> & more" },
      cookie: { mode: "non-persistent" },
    });
    const { sessions } = await connected.list(user("fields"));
    assert.equal(sessions.length, 1);
    assert.deepEqual(sessions[0], session);
    assert.deepEqual(Object.keys(sessions[0]), ["id", "user_id", "created_at", "updated_at", "authenticated_at", "authentication",
      "idle_expires_at", "expires_at", "device", "clients", "last_interacted_at", "cookie", "session_metadata"]);
    for (const name of ["created_at", "updated_at", "authenticated_at", "idle_expires_at", "expires_at", "last_interacted_at"]) {
      assert.match(sessions[0][name], iso);
    }
    assert.equal(Date.parse(session.expires_at) - Date.parse(session.created_at), 72 * 3600_000);
    assert.equal(Date.parse(session.idle_expires_at) - Date.parse(session.created_at), 24 * 3600_000);
    assert.deepEqual(session.clients, [{ client_id: "shop" }]);
    assert.equal(session.authentication.methods[1].type, "otp");
    assert.deepEqual(session.session_metadata, { "device-name": "Ada's <laptop> & more" });
  });

  describe(`pages through ${manyCount} sessions`, () => {
    for (const take of [1, 7, 50, 100]) {
      row(`list 1,234 sessions, ${take} a page`, `take ${take}: each once, newest first, and the end is the end`, async () => {
        const pages = await everyPage(connected, manyUser, { take });
        const sessions = pages.flat();
        assert.equal(pages.length, Math.ceil(manyCount / take));
        assert.ok(pages.slice(0, -1).every((page) => page.length === take));
        assert.deepEqual(sessions.map((s) => s.id).sort(), manyIds());
        for (let i = 1; i < sessions.length; i++) {
          const [a, b] = [sessions[i - 1], sessions[i]];
          assert.ok(a.created_at > b.created_at || (a.created_at === b.created_at && a.id < b.id));
        }
      });
    }
    row("list, default page", "without options a page has fifty, and another follows", async () => {
      const page = await connected.list(manyUser);
      assert.equal(page.sessions.length, 50);
      assert.ok(page.next);
      assert.equal(page.total, totals === "always" ? manyCount : undefined);
      return "50";
    });
    if (visitAll) {
      row("list, the client's own iterator", "the iterator visits each once, and the total is exact", async () => {
        const seen = new Set();
        const page = await connected.list(manyUser, { take: 100 });
        assert.equal(page.total, totals === "always" ? manyCount : undefined);
        for await (const session of page.visitAll()) {
          seen.add(session.id);
        }
        assert.equal(seen.size, manyCount);
      });
    }
    row("list with include_totals", "include_totals adds the number of sessions and never changes the shape", async () => {
      const asked = await connected.list(manyUser, { take: 1, include_totals: true });
      assert.equal(asked.total, totals === "never" ? undefined : manyCount);
      assert.equal(asked.sessions.length, 1);
      const declined = await connected.list(manyUser, { take: 1, include_totals: false });
      assert.equal(declined.total, undefined);
      assert.deepEqual(declined.sessions, asked.sessions);
      return totals === "never" ? "not sent by the client" : "works";
    });
  });

  row("user ids with slashes, bars, spaces, percent signs", "user ids with slashes, bars, spaces and percent signs arrive as they are", async () => {
    for (const id of ["auth0|a/b c", "oauth2|x|y", "plain", "auth0|50%25|%7C", "auth0|ünï/日本", "auth0|a+b?c#d"]) {
      const userId = id + client.major;
      const { session } = await createSession(userId);
      const { sessions } = await connected.list(userId);
      assert.deepEqual(sessions.map((s) => [s.id, s.user_id]), [[session.id, userId]]);
      assert.equal(await connected.deleteAll(userId), 202);
      assert.deepEqual((await connected.list(userId)).sessions, []);
    }
  });
}
