// The official SDK, unmodified, over https with the local CA.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ManagementClient, ManagementError, Management } from "auth0";
import { check, clientId, clientSecret, createSession, createSessions, domain, fetchToken, readerSecret } from "./server.js";

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const client = new ManagementClient({ domain, clientId, clientSecret });

async function everyPage(userId, options) {
  const pages = [];
  let page = await client.users.sessions.list(userId, options);
  for (;;) {
    pages.push(page.data);
    if (!page.hasNextPage()) {
      return pages;
    }
    page = await page.getNextPage();
  }
}

describe("auth0 7", () => {
  test("fetches a token by client credentials and lists a user nobody has seen", async () => {
    const page = await client.users.sessions.list("auth0|nobody");
    assert.deepEqual(page.data, []);
    assert.equal(page.hasNextPage(), false);
  });

  test("lists a session with every field as published", async () => {
    const { session } = await createSession("auth0|fields", {
      authentication: { methods: [{ name: "pwd" }, { name: "mfa", type: "otp" }] },
      session_metadata: { "device-name": "Ada's <laptop> & more" },
      cookie: { mode: "non-persistent" },
    });
    const { data } = await client.users.sessions.list("auth0|fields");
    assert.equal(data.length, 1);
    assert.deepEqual(data[0], session);
    assert.deepEqual(Object.keys(data[0]), ["id", "user_id", "created_at", "updated_at", "authenticated_at", "authentication",
      "idle_expires_at", "expires_at", "device", "clients", "last_interacted_at", "cookie", "session_metadata"]);
    for (const name of ["created_at", "updated_at", "authenticated_at", "idle_expires_at", "expires_at", "last_interacted_at"]) {
      assert.match(data[0][name], iso);
    }
    assert.equal(Date.parse(session.expires_at) - Date.parse(session.created_at), 72 * 3600_000);
    assert.equal(Date.parse(session.idle_expires_at) - Date.parse(session.created_at), 24 * 3600_000);
    assert.deepEqual(session.clients, [{ client_id: "shop" }]);
    assert.equal(session.authentication.methods[1].type, "otp");
    assert.deepEqual(session.session_metadata, { "device-name": "Ada's <laptop> & more" });
  });

  describe("pages through 1,234 sessions", () => {
    let ids;
    before(async () => { ids = (await createSessions("auth0|many", 1234)).sort(); });
    for (const take of [1, 7, 50, 100]) {
      test(`take ${take}: each once, newest first, and the end is the end`, async () => {
        const pages = await everyPage("auth0|many", { take });
        const sessions = pages.flat();
        assert.equal(pages.length, Math.ceil(1234 / take));
        assert.ok(pages.slice(0, -1).every((page) => page.length === take));
        assert.deepEqual(sessions.map((s) => s.id).sort(), ids);
        for (let i = 1; i < sessions.length; i++) {
          const [a, b] = [sessions[i - 1], sessions[i]];
          assert.ok(a.created_at > b.created_at || (a.created_at === b.created_at && a.id < b.id));
        }
      });
    }
    test("the iterator visits each once, and the total is exact", async () => {
      const seen = new Set();
      const page = await client.users.sessions.list("auth0|many", { take: 100 });
      assert.equal(page.response.total, 1234);
      for await (const session of page) {
        seen.add(session.id);
      }
      assert.equal(seen.size, 1234);
    });
  });

  test("user ids with slashes, bars, spaces and percent signs arrive as they are", async () => {
    for (const userId of ["auth0|a/b c", "oauth2|x|y", "plain", "auth0|50%25|%7C", "auth0|ünï/日本"]) {
      const { session } = await createSession(userId);
      const { data } = await client.users.sessions.list(userId);
      assert.deepEqual(data.map((s) => [s.id, s.user_id]), [[session.id, userId]]);
      await client.users.sessions.delete(userId);
      assert.deepEqual((await client.users.sessions.list(userId)).data, []);
    }
  });

  test("gets, updates and clears metadata", async () => {
    const { session } = await createSession("auth0|update");
    assert.deepEqual(await client.sessions.get(session.id), session);
    const updated = await client.sessions.update(session.id, { session_metadata: { a: "1", b: "2" } });
    assert.deepEqual(updated.session_metadata, { a: "1", b: "2" });
    const replaced = await client.sessions.update(session.id, { session_metadata: { c: "3" } });
    assert.deepEqual(replaced.session_metadata, { c: "3" });
    assert.deepEqual(await client.sessions.get(session.id), replaced);
    assert.deepEqual((await client.sessions.update(session.id, { session_metadata: null })).session_metadata, {});
  });

  test("a check shows in the listing at once", async () => {
    const { session, token } = await createSession("auth0|checked");
    await new Promise((done) => setTimeout(done, 5));
    assert.deepEqual(await check(token), { status: 200, user: "auth0|checked", session: session.id });
    const { data } = await client.users.sessions.list("auth0|checked");
    assert.ok(data[0].last_interacted_at > session.last_interacted_at);
    assert.equal(data[0].device.last_ip, "127.0.0.1");
    assert.equal(data[0].device.initial_ip, session.device.initial_ip);
  });

  for (const [name, end] of [
    ["delete", (session) => client.sessions.delete(session.id)],
    ["revoke", (session) => client.sessions.revoke(session.id)],
    ["delete all", (session) => client.users.sessions.delete(session.user_id)],
  ]) {
    test(`${name} ends the session for every door, and can be repeated`, async () => {
      const { session, token } = await createSession(`auth0|${name}`);
      assert.equal((await check(token)).status, 200);
      await end(session);
      assert.deepEqual(await check(token), { status: 401, user: "", session: "" });
      assert.deepEqual((await client.users.sessions.list(session.user_id)).data, []);
      await assert.rejects(client.sessions.get(session.id), Management.NotFoundError);
      if (name === "revoke") {
        await assert.rejects(end(session), Management.NotFoundError);
      } else {
        await end(session);
      }
    });
  }

  test("delete of an unknown session is accepted", async () => {
    const { rawResponse } = await client.sessions.delete("unknown-session-0000").withRawResponse();
    assert.equal(rawResponse.status, 202);
  });

  describe("errors arrive as their classes, with the published bodies", () => {
    const is = (kind, statusCode, body) => (error) => {
      assert.ok(error instanceof kind, `${error?.constructor?.name} is not ${kind.name}`);
      assert.ok(error instanceof ManagementError);
      assert.equal(error.statusCode, statusCode);
      assert.deepEqual(error.body, body);
      return true;
    };
    test("BadRequestError", async () => {
      const { session } = await createSession("auth0|bad");
      await assert.rejects(client.sessions.update(session.id), is(Management.BadRequestError, 400, {
        statusCode: 400, error: "Bad Request", errorCode: "invalid_body",
        message: "Payload validation error: 'Too few properties defined (0), minimum 1'.",
      }));
      await assert.rejects(client.sessions.revoke("x".repeat(51)), is(Management.BadRequestError, 400, {
        statusCode: 400, error: "Bad Request", errorCode: "invalid_uri",
        message: "Path validation error: 'String is too long (51 chars), maximum 50' on property id (ID of the session to revoke.).",
      }));
    });
    test("ManagementError where the call does not list the status", async () => {
      await assert.rejects(client.users.sessions.list("auth0|bad", { take: 101 }), is(ManagementError, 400, {
        statusCode: 400, error: "Bad Request", errorCode: "invalid_query_string",
        message: "Query validation error: 'Value 101 is greater than maximum 100' on property take (Number of results per page. Defaults to 50.).",
      }));
    });
    test("UnauthorizedError", async () => {
      const token = await fetchToken();
      const [header, payload, signature] = token.split(".");
      const forged = [header, payload, signature[0] === "A" ? `B${signature.slice(1)}` : `A${signature.slice(1)}`].join(".");
      await assert.rejects(new ManagementClient({ domain, token: forged }).sessions.get("x"), is(Management.UnauthorizedError, 401, {
        statusCode: 401, error: "Unauthorized", message: "Invalid signature received for JSON Web Token validation",
        attributes: { error: "Invalid signature received for JSON Web Token validation" },
      }));
    });
    test("ForbiddenError", async () => {
      const reader = new ManagementClient({ domain, clientId: "reader", clientSecret: readerSecret });
      await assert.rejects(reader.sessions.delete("x"), is(Management.ForbiddenError, 403, {
        statusCode: 403, error: "Forbidden", message: "Insufficient scope, expected any of: delete:sessions", errorCode: "insufficient_scope",
      }));
    });
    test("NotFoundError", async () => {
      await assert.rejects(client.sessions.get("unknown-session-0000"), is(Management.NotFoundError, 404, {
        statusCode: 404, error: "Not Found", message: "The session does not exist.", errorCode: "inexistent_session",
      }));
      await assert.rejects(client.sessions.get(""), (error) => error.statusCode === 404 && error.body.message === "Not Found");
    });
    test("a 429 of the token endpoint, once guessing has gone on for too long", async () => {
      for (let i = 0; i < 12; i++) {
        await fetch(`https://${domain}/oauth/token`, {
          method: "POST",
          body: new URLSearchParams({ grant_type: "client_credentials", client_id: `guess-${i}`, client_secret: "x" }),
        });
      }
      const guessing = new ManagementClient({ domain, clientId: "guess", clientSecret: "x" });
      await assert.rejects(guessing.sessions.get("x"), (error) => error instanceof ManagementError && error.statusCode === 429
        && error.body.error === "too_many_requests");
      await client.users.sessions.list("auth0|nobody"); // others are not held up
    });
    test("a wrong client secret", async () => {
      const wrong = new ManagementClient({ domain, clientId, clientSecret: "wrong" });
      await assert.rejects(wrong.sessions.get("x"), (error) => error instanceof ManagementError && error.statusCode === 401
        && error.body.error === "access_denied" && error.body.error_description === "Unauthorized");
    });
  });
});
