// What a client does when it is refused for the moment: how often it tries, how long it
// waits, and that whatever is tried again ends well.
//
// Waits are held to their promise from below; from above only runaways are caught.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { check, createSession, fetchToken } from "./server.js";
import { headers, startFaults } from "./faults.js";
import { record, recorded } from "./results.js";

const early = 50; // a timer's grace, in ms
const runaway = 40_000;

export function retries(client) {
  const { statuses, tries, readsHeaders, firstWait } = client.retries;
  const user = (name) => `auth0|${name}, again by ${client.major}`;
  const connect = async (proxy) => client.connect({ domain: proxy.domain, token: await fetchToken() });
  const row = (call, act) => recorded(client, call, call, act);

  // getThrough gets a session through a proxy with these faults, and makes sure that it
  // is the session.
  async function getThrough(t, ...faults) {
    const { session } = await createSession(user("get"));
    const proxy = await startFaults(t, ...faults);
    assert.deepEqual(await (await connect(proxy)).get(session.id), session);
    assert.equal(proxy.arrivals.length, faults.length + 1);
    return proxy.arrivals;
  }

  function waited(arrivals, least) {
    const ms = arrivals[1].at - arrivals[0].at;
    assert.ok(ms >= least - early, `waited ${ms} ms of ${least}`);
    assert.ok(ms < runaway, `waited ${ms} ms`);
  }

  describe(`${client.title}, refused for the moment`, { concurrency: true }, () => {
    row("429 with Retry-After", async (t) => {
      // A client that does not read it comes back long before.
      const seconds = readsHeaders ? 1 : 60;
      waited(await getThrough(t, { status: 429, headers: headers.retryAfter(seconds) }), readsHeaders ? 1000 : firstWait);
      return readsHeaders ? "tried again, not before" : "tried again, without reading it";
    });
    row("429 with X-RateLimit-Reset alone", async (t) => {
      const arrivals = await getThrough(t, { status: 429, headers: headers.reset(readsHeaders ? 1 : 60) });
      const reset = Number(arrivals[0].headers["x-ratelimit-reset"]) * 1000;
      waited(arrivals, readsHeaders ? reset - arrivals[0].at : firstWait);
      return readsHeaders ? "tried again, not before" : "tried again, without reading it";
    });
    row("429 with neither", async (t) => {
      waited(await getThrough(t, { status: 429 }), firstWait);
      return "tried again";
    });
    row("429 for good", async (t) => {
      const proxy = await startFaults(t, ...Array(10).fill({ status: 429, headers: headers.retryAfter(1) }));
      const { kind } = client.errors.tooMany;
      await assert.rejects((await connect(proxy)).get("x"), (error) => error.constructor === kind && error.statusCode === 429);
      assert.equal(proxy.arrivals.length, tries);
      return `${kind.name} after ${tries} tries`;
    });
    for (const status of [500, 503]) {
      row(`${status} for good`, async (t) => {
        const proxy = await startFaults(t, ...Array(10).fill({ status }));
        const { kind } = client.errors.serverError;
        await assert.rejects((await connect(proxy)).get("x"), (error) => error.constructor === kind && error.statusCode === status);
        const expected = statuses.includes(status) ? tries : 1;
        assert.equal(proxy.arrivals.length, expected);
        if (expected > 1) {
          waited(proxy.arrivals, firstWait);
          assert.ok(proxy.arrivals[2].at - proxy.arrivals[1].at >= 2 * firstWait - early);
        }
        return expected > 1 ? `${kind.name} after ${expected} tries` : `${kind.name} at once`;
      });
    }
    row("503 once", async (t) => {
      if (statuses.includes(503)) {
        waited(await getThrough(t, { status: 503 }), firstWait);
        return "tried again";
      }
      const { session } = await createSession(user("503"));
      const proxy = await startFaults(t, { status: 503 });
      const connected = await connect(proxy);
      await assert.rejects(connected.get(session.id), client.errors.serverError.kind);
      assert.deepEqual(await connected.get(session.id), session);
      return "not tried again";
    });
    endings(client, connect);
  });
}

// endings holds that an act that is tried again ends well: where the first request was
// refused, and where the server had acted and only its answer was lost. The status is
// one that the client tries again.
function endings(client, connect) {
  const status = client.retries.statuses.at(-1);
  const over = async (connected, session, token) => {
    assert.equal((await check(token)).status, 401);
    await assert.rejects(connected.get(session.id), client.errors.notFound.kind);
  };
  const acts = {
    delete: async (connected, { session, token }) => {
      assert.equal(await connected.delete(session.id), 202);
      await over(connected, session, token);
      return "accepted";
    },
    "delete all": async (connected, { session, token }) => {
      assert.equal(await connected.deleteAll(session.user_id), 202);
      await over(connected, session, token);
      return "accepted";
    },
    update: async (connected, { session }) => {
      const updated = await connected.update(session.id, { session_metadata: { a: "1" } });
      assert.deepEqual(updated.session_metadata, { a: "1" });
      assert.deepEqual(await connected.get(session.id), updated);
      return "the updated session";
    },
    revoke: async (connected, { session, token }, lost) => {
      // An ended session is not found, as published; the client hears that, and it is over.
      const revoked = connected.revoke(session.id);
      if (lost) {
        await assert.rejects(revoked, client.errors.notFound.kind);
      } else {
        assert.equal(await revoked, 202);
      }
      await over(connected, session, token);
      return lost ? `${client.errors.notFound.kind.name}, and it is over` : "accepted";
    },
  };
  for (const [name, act] of Object.entries(acts)) {
    for (const [call, acted] of [[`${name}, first refused`, false], [`${name}, first answer lost`, true]]) {
      if (client.offers[name] === false) {
        test(`${call}: not offered`, () => {
          assert.ok(!client.hasMethod(name));
          record(client.title, call, "not offered");
        });
        continue;
      }
      recorded(client, call, call, async (t) => {
        const made = await createSession(`auth0|${call}, by ${client.major}`);
        const proxy = await startFaults(t, { status, acted });
        const result = await act(await connect(proxy), made, acted);
        const [first, second] = proxy.arrivals;
        assert.equal(first.answer?.status, acted ? (name === "update" ? 200 : 202) : undefined);
        assert.deepEqual([second.method, second.path], [first.method, first.path]);
        return result;
      });
    }
  }
}
