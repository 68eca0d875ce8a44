// Errors: each arrives as the class that the version has for it, with the published
// body.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { clientId, clientSecret, createSession, domain, fetchToken, readerSecret, unlimited } from "./server.js";
import { startFaults } from "./faults.js";
import { freePort } from "../rollcall.js";

export function errors(client, connected, row) {
  // arrivesAs makes sure that a call fails as it should, and answers the class's name.
  async function arrivesAs(call, { kind }, statusCode, body) {
    await assert.rejects(call, (error) => {
      assert.equal(error.constructor, kind);
      assert.ok(error instanceof client.anyError);
      assert.equal(error.statusCode, statusCode);
      assert.deepEqual(client.bodyOf(error), body);
      return true;
    });
    return kind.name;
  }
  const { errors } = client;

  describe("errors arrive as their classes, with the published bodies", () => {
    if (client.offers.update) {
      row("400 to update", "400 to update", async () => {
        const { session } = await createSession(`auth0|bad of ${client.major}`);
        return arrivesAs(connected.update(session.id), errors.badRequest, 400, {
          statusCode: 400, error: "Bad Request", errorCode: "invalid_body",
          message: "Payload validation error: 'Too few properties defined (0), minimum 1'.",
        });
      });
    }
    if (client.offers.revoke) {
      row("400 to revoke", "400 to revoke", () => arrivesAs(connected.revoke("x".repeat(51)), errors.badRequest, 400, {
        statusCode: 400, error: "Bad Request", errorCode: "invalid_uri",
        message: "Path validation error: 'String is too long (51 chars), maximum 50' on property id (ID of the session to revoke.).",
      }));
      row("404 to revoke", "404 to revoke", () => arrivesAs(connected.revoke("unknown-session-0000"), errors.notFound, 404, {
        statusCode: 404, error: "Not Found", message: "The session does not exist.", errorCode: "inexistent_session",
      }));
    }
    row("400 to list", "400 to list, which no version lists", () => arrivesAs(connected.list("auth0|bad", { take: 101 }), errors.unlisted, 400, {
      statusCode: 400, error: "Bad Request", errorCode: "invalid_query_string",
      message: "Query validation error: 'Value 101 is greater than maximum 100' on property take (Number of results per page. Defaults to 50.).",
    }));
    row("400 to delete all", "400 to delete all", () => arrivesAs(connected.deleteAll(" "), errors.badRequest, 400, {
      statusCode: 400, error: "Bad Request", errorCode: "invalid_uri",
      message: "Path validation error: 'Object didn't pass validation for format user-id:  ' on property user_id (ID of the user to get sessions for).",
    }));
    row("401", "401 for a token with another signature", async () => {
      const token = await fetchToken();
      const [header, payload, signature] = token.split(".");
      const forged = [header, payload, signature[0] === "A" ? `B${signature.slice(1)}` : `A${signature.slice(1)}`].join(".");
      return arrivesAs(client.connect({ domain, token: forged }).get("x"), errors.unauthorized, 401, {
        statusCode: 401, error: "Unauthorized", message: "Invalid signature received for JSON Web Token validation",
        attributes: { error: "Invalid signature received for JSON Web Token validation" },
      });
    });
    row("403", "403 for want of a scope", () => {
      const reader = client.connect({ domain, clientId: "reader", clientSecret: readerSecret });
      return arrivesAs(reader.delete("x"), errors.forbidden, 403, {
        statusCode: 403, error: "Forbidden", message: "Insufficient scope, expected any of: delete:sessions", errorCode: "insufficient_scope",
      });
    });
    row("404 to get", "404 to get", () => arrivesAs(connected.get("unknown-session-0000"), errors.notFound, 404, {
      statusCode: 404, error: "Not Found", message: "The session does not exist.", errorCode: "inexistent_session",
    }));
    row("404 to get, without an id", "404 to get without an id", () => arrivesAs(connected.get(""), errors.notFound, 404, {
      statusCode: 404, error: "Not Found", message: "Not Found",
    }));
    row("404 to delete, without an id", "404 to delete, which no version lists", () => arrivesAs(connected.delete(""), errors.unlisted, 404, {
      statusCode: 404, error: "Not Found", message: "Not Found",
    }));
    row("409 from a proxy", "409 is not tried again", async (t) => {
      const proxy = await startFaults(t, { status: 409 });
      const name = await arrivesAs(client.connect({ domain: proxy.domain, token: await fetchToken() }).get("x"), errors.conflict, 409, {
        statusCode: 409, error: "Fault", message: "made by the proxy, 409",
      });
      assert.equal(proxy.arrivals.length, 1);
      return name;
    });
    row("no answer", "no answer at all", async () => {
      // Where there is no answer some versions leave their timer running, which would hold the run up for a minute.
      const nowhere = client.connect({ domain: `127.0.0.1:${await freePort()}`, token: await fetchToken(), timeoutInSeconds: 1 });
      await assert.rejects(nowhere.get("x"), (error) => error.constructor === errors.noAnswer.kind && error.statusCode === undefined);
      return errors.noAnswer.kind.name;
    });
    row("wrong client secret", "a wrong client secret", async () => {
      const { kind, body } = errors.token;
      const wrong = client.connect({ domain, clientId, clientSecret: "wrong" });
      const error = await unlimited(() => wrong.get("x"), (error) => error.statusCode);
      assert.equal(error.constructor, kind);
      assert.equal(error.statusCode, 401);
      assert.deepEqual(body(error), { error: "access_denied", error_description: "Unauthorized" });
      return kind.name;
    });
    row("too many wrong client secrets", "a 429 of the token endpoint, once guessing has gone on for too long", async () => {
      for (let i = 0; i < 12; i++) {
        await fetch(`https://${domain}/oauth/token`, {
          method: "POST",
          body: new URLSearchParams({ grant_type: "client_credentials", client_id: `guess-${i}`, client_secret: "x" }),
        });
      }
      const { kind, body } = errors.token;
      const guessing = client.connect({ domain, clientId: "guess", clientSecret: "x" });
      await assert.rejects(guessing.get("x"), (error) => {
        assert.equal(error.constructor, kind);
        assert.equal(error.statusCode, 429);
        assert.equal(body(error).error, "too_many_requests");
        return true;
      });
      await connected.list("auth0|nobody"); // others are not held up
      return kind.name;
    });
  });
}
