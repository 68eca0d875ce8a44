// What docs/compatibility.md says is not served.
import assert from "node:assert/strict";
import { test } from "node:test";
import { domain, fetchToken } from "./server.js";

test("what the published API has and Rollcall does not serve answers 404 with the published body", async () => {
  const token = await fetchToken();
  for (const [method, path] of [
    ["GET", "/users/auth0%7Cx/refresh-tokens"], ["DELETE", "/users/auth0%7Cx/refresh-tokens"],
    ["GET", "/refresh-tokens?user_id=auth0%7Cx"], ["POST", "/refresh-tokens/revoke"],
    ["GET", "/refresh-tokens/dcr_x"], ["PATCH", "/refresh-tokens/dcr_x"], ["DELETE", "/refresh-tokens/dcr_x"],
    ["GET", "/tenants/settings"], ["PATCH", "/tenants/settings"],
    ["GET", "/users/auth0%7Cx"], ["GET", "/clients"],
  ]) {
    const answer = await fetch(`https://${domain}/api/v2${path}`, { method, headers: { authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 404, `${method} ${path}`);
    assert.deepEqual(await answer.json(), { statusCode: 404, error: "Not Found", message: "Not Found" });
  }
});
