// What a client does when it is refused for the moment: how often it tries, how long it
// waits, and that whatever is tried again ends well.
//
// Waits are held to their promise from below; from above only runaways are caught.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { check, createSession, fetchToken } from "./server.js";
import { headers, startFaults } from "./faults.js";
import { record } from "./results.js";

const early = 50; // a timer's grace, in ms
const runaway = 15_000;

export function retries(client) {
  const { statuses, tries, readsHeaders, firstWait } = client.retries;
  const user = (name) => `auth0|${name}, retried by ${client.major}`;
  const through = async (proxy) => client.connect({ domain: proxy.domain, token: await fetchToken() });

  // waited is the time between the first two requests.
  function waited({ arrivals }) {
    const ms = arrivals[1].at - arrivals[0].at;
    assert.ok(ms < runaway, `waited ${ms} ms`);
    return ms;
  }

  describe(`${client.title}, refused for the moment`, { concurrency: true }, () => {
    const row = (call, act) => describe(call, () => {
      recordedAs(call, act);
    });
    void row;
  });
}
