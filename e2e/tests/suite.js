// What every version of the npm package auth0 must find here, unmodified, over https
// with the local CA.
//
// A client is described by what clients/*.js export: title and major; connect, which
// takes {domain, clientId, clientSecret} or {domain, token} and answers the calls under
// one name each (list, get, update, delete, revoke, deleteAll; the last two and delete
// answer the status); what it offers; anyError, a class that all errors of calls have;
// errors, each with its class and, for the token's, how to read its body; bodyOf, which
// reads a call's error; and retries, for retries.js.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clientId, clientSecret, domain } from "./server.js";
import { calls } from "./calls.js";
import { errors } from "./errors.js";
import { lists } from "./lists.js";
import { record, recorded } from "./results.js";
import { retries } from "./retries.js";

export function suite(client) {
  const connected = client.connect({ domain, clientId, clientSecret });
  const row = (call, name, act) => recorded(client, call, name, act);
  // unoffered keeps what the client has no call for, having made sure of that.
  const unoffered = (call, method) => test(`has no ${method} to call`, () => {
    assert.ok(!client.hasMethod(method));
    record(client.title, call, "not offered");
  });
  describe(client.title, () => {
    lists(client, connected, row);
    calls(client, connected, row, unoffered);
    errors(client, connected, row);
    retries(client);
  });
}
