// What the tests share: where the server is, and sessions made through /v1.
import assert from "node:assert/strict";

export const domain = process.env.ROLLCALL_DOMAIN;
export const clientId = process.env.ROLLCALL_CLIENT_ID;
export const clientSecret = process.env.ROLLCALL_CLIENT_SECRET;
export const readerSecret = process.env.ROLLCALL_READER_SECRET;

export async function fetchToken(scope) {
  const answer = await fetch(`https://${domain}/oauth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret,
      audience: `https://${domain}/api/v2/`, scope,
    }),
  });
  assert.equal(answer.status, 200);
  return (await answer.json()).access_token;
}

let token;
let created = 0;

// createSession signs a user in and returns the whole answer of POST /v1/sessions.
export async function createSession(userId, more = {}) {
  token ??= await fetchToken();
  const answer = await fetch(`https://${domain}/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({
      user_id: userId,
      client_id: "shop",
      authentication: { methods: [{ name: "pwd" }] },
      device: { ip: `192.0.2.${created++ % 250}`, user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0" },
      ...more,
    }),
  });
  assert.equal(answer.status, 201, await answer.clone().text());
  return answer.json();
}

export async function createSessions(userId, count, atOnce = 16) {
  const ids = [];
  let left = count;
  await Promise.all(Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      ids.push((await createSession(userId)).session.id);
    }
  }));
  return ids;
}

// check asks what a proxy asks on every request.
export async function check(sessionToken) {
  const answer = await fetch(`https://${domain}/check`, { headers: { authorization: `Bearer ${sessionToken}` } });
  return { status: answer.status, user: answer.headers.get("x-rollcall-user"), session: answer.headers.get("x-rollcall-session") };
}

// unlimited answers the error of a call that fails. Wrong secrets are limited by address, which
// all clients here have in common: a call that is answered 429 is made again later.
export async function unlimited(call, statusOf) {
  for (const end = Date.now() + 90_000; ; ) {
    const error = await call().then(() => { throw new Error("the call did not fail"); }, (error) => error);
    if (statusOf(error) !== 429 || Date.now() > end) return error;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
