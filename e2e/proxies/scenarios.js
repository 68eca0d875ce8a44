// What every proxy must hold, whichever it is.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { ManagementClient } from "auth0-7";
import { clientId, clientSecret, domain } from "../tests/server.js";
import { ask, signedIn } from "./client.js";
import { paths } from "./paths.js";

const user = "auth0|ada";
const identity = ["x-rollcall-user", "x-rollcall-session", "x-rollcall-authenticated-at", "x-rollcall-methods", "x-rollcall-expires-at", "x-rollcall-acr"];
const management = new ManagementClient({ domain, clientId, clientSecret });
const html = ["Accept", "text/html"];

// listedOrigin is what the proxy files name as an origin whose preflights they answer.
export const listedOrigin = "https://other.example.com";

// Every way to spell an identity header that an application might take for it.
const forged = identity.flatMap((name, i) => [
  [name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase()), `forged-${i}`],
  [name, "forged"],
  [name.toUpperCase(), "forged"],
  [name.replaceAll("-", "_"), "forged"],
  [name.replace("-", "_"), "forged"],
  [name.replace(/-(?=[^-]*$)/, "_"), "forged"],
  [name.replaceAll("-", "."), "forged"],
  [name.replaceAll("-", "~"), "forged"],
]);

// heard is what a request told the application of who is signed in: names and values.
function heard(request) {
  return Object.fromEntries(Object.entries(request.headers).filter(([name]) => name.includes("rollcall")));
}

const seconds = (time) => time.replace(/\.\d{3}Z$/, "Z");

function identityOf(session) {
  return {
    "x-rollcall-user": session.user_id,
    "x-rollcall-session": session.id,
    "x-rollcall-authenticated-at": seconds(session.authenticated_at),
    "x-rollcall-methods": session.authentication.methods.map((m) => m.name).join(","),
    "x-rollcall-acr": session.authentication.methods.length > 1 ? "aal2" : "aal1",
  };
}

// scenarios registers the tests. The setting has, once they run: port, app, relay
// and browser.
export function scenarios(setting) {
  const origin = () => `https://localhost:${setting.port}`;
  const send = (path, options) => ask(setting.port, path, options);
  const reached = () => setting.app.requests;

  beforeEach(() => { setting.app.requests.length = 0; });

  // askedFor is what the proxy asks of Rollcall meanwhile: {path, query, headers}. Every
  // question is answered with a good session's identity.
  async function askedFor(use, headers) {
    const asked = [];
    setting.relay.answerWith((request, response) => {
      const [path, query = ""] = request.url.split("?");
      asked.push({ path, query, headers: request.headers });
      response.writeHead(200, { ...Object.fromEntries(identity.map((name) => [name, ""])), ...headers }).end();
    });
    try {
      await use();
    } finally {
      setting.relay.answerWith();
    }
    return asked;
  }

  async function signIn(page, { code } = {}) {
    await page.getByLabel("User").fill(user);
    if (code) {
      await page.getByLabel("Code").fill(code);
    }
    await page.getByRole("button", { name: "Sign in" }).click();
  }

  async function withPage(use) {
    const context = await setting.browser.newContext({ ignoreHTTPSErrors: true });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(20_000);
      await use(page, context);
    } finally {
      await context.close();
    }
  }

  test("a browser signs in, is ended by the published API, signs in again, and is back each time", () => withPage(async (page, context) => {
    const target = `${origin()}/account?tab=1&q=a%26b%20c`;
    await page.goto(target);
    assert.equal(new URL(page.url()).pathname, "/login");
    assert.equal(new URL(page.url()).searchParams.get("return_to"), target);
    await signIn(page);
    await page.waitForURL(target);
    assert.equal(await page.locator("#x-rollcall-user").textContent(), user);
    const [cookie] = await context.cookies();
    assert.deepEqual([cookie.name, cookie.secure, cookie.httpOnly, cookie.sameSite], ["__Host-rollcall", true, true, "Lax"]);

    const id = await page.locator("#x-rollcall-session").textContent();
    await management.sessions.delete(id);
    await page.reload();
    assert.equal(new URL(page.url()).pathname, "/login");
    await signIn(page);
    await page.waitForURL(target);
    assert.notEqual(await page.locator("#x-rollcall-session").textContent(), id);
  }));

  test("signing out ends the session and clears the cookie", () => withPage(async (page, context) => {
    await page.goto(`${origin()}/account`);
    await signIn(page);
    await page.waitForURL(`${origin()}/account`);
    const id = await page.locator("#x-rollcall-session").textContent();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.waitForURL(`${origin()}/public/goodbye`);
    assert.deepEqual(await context.cookies(), []);
    await assert.rejects(management.sessions.get(id), { statusCode: 404 });
    await page.goto(`${origin()}/account`);
    assert.equal(new URL(page.url()).pathname, "/login");
  }));

  test("one place asks for a second factor, and the page's own query cannot talk it down", () => withPage(async (page) => {
    const target = `${origin()}/secure/transfer?acr=aal1&max_age=x`;
    await page.goto(`${origin()}/account`);
    await signIn(page);
    await page.waitForURL(`${origin()}/account`);
    await page.goto(target);
    const login = new URL(page.url());
    assert.deepEqual([login.pathname, login.searchParams.get("acr_values"), login.searchParams.get("return_to")], ["/login", "aal2", target]);
    await signIn(page, { code: "123456" });
    await page.waitForURL(target);
    assert.equal(await page.locator("#x-rollcall-methods").textContent(), "pwd,mfa");
  }));

  test("identity headers that a client sends never reach the application", async () => {
    const weak = await signedIn(user);
    const strong = await signedIn(user, { authentication: { methods: [{ name: "pwd" }, { name: "mfa", type: "otp" }] } });
    for (const [path, who] of [["/account", weak], ["/account", strong], ["/secure/x", strong]]) {
      assert.equal((await send(path, { headers: [...forged, who.cookie] })).status, 200);
      const { "x-rollcall-expires-at": expires, ...rest } = heard(reached().pop());
      const want = Object.entries(identityOf(who.session)).map(([name, value]) => [name, [value]]);
      assert.deepEqual(rest, Object.fromEntries(want), path);
      const stored = await management.sessions.get(who.session.id);
      assert.deepEqual(expires, [seconds(stored.idle_expires_at)]);
    }
    for (const headers of [forged, [...forged, weak.cookie], [...forged, ["Cookie", "__Host-rollcall=rcs_forged"]]]) {
      for (const path of ["/login", "/public/page"]) {
        assert.equal((await send(path, { headers })).status, 200);
        assert.deepEqual(heard(reached().pop()), {}, path);
      }
    }
    assert.deepEqual(reached(), []);
    for (const path of ["/account", "/secure/x"]) {
      assert.equal((await send(path, { headers: forged })).status, 401);
    }
    assert.equal((await send("/secure/x", { headers: [...forged, weak.cookie] })).status, 401);
    assert.deepEqual(reached(), []);
  });

  test("an identity header that a check leaves empty says nothing to the application", async () => {
    const { cookie } = await signedIn(user);
    setting.relay.answerWith((_, response) => response.writeHead(200, Object.fromEntries(identity.map((name) => [name, ""]))).end());
    try {
      assert.equal((await send("/account", { headers: [...forged, cookie] })).status, 200);
    } finally {
      setting.relay.answerWith();
    }
    for (const [name, values] of Object.entries(heard(reached().pop()))) {
      assert.deepEqual(values, [""], name);
    }
  });

  test("the user's address arrives, not one that the client makes up", async () => {
    const { session, cookie } = await signedIn(user);
    const made = ["X-Forwarded-For", "203.0.113.7"];
    assert.equal((await send("/account", { headers: [cookie, made, ["Forwarded", "for=203.0.113.7"]], from: "127.0.0.9" })).status, 200);
    assert.deepEqual(reached().pop().headers["x-forwarded-for"], ["127.0.0.9"]);
    assert.equal((await management.sessions.get(session.id)).device.last_ip, "127.0.0.9");
  });

  test("what the client says of its request sends nobody elsewhere", async () => {
    const headers = [html, ["X-Forwarded-Host", "evil.example.com"], ["X-Forwarded-Uri", "/evil"], ["X-Forwarded-Proto", "http"], ["X-Forwarded-Method", "POST"]];
    const answer = await send("/account?a=b", { headers });
    assert.equal(answer.status, 302);
    assert.equal(new URL(answer.headers.location).searchParams.get("return_to"), `${origin()}/account?a=b`);
  });

  test("a POST is checked, and its body arrives", async () => {
    const { session, cookie } = await signedIn(user);
    const post = { method: "POST", body: "note=remember" };
    const refused = await send("/notes", { ...post, headers: [html] });
    assert.equal(refused.status, 401, "a form is not sent elsewhere");
    assert.deepEqual(reached(), []);
    assert.equal((await send("/notes", { ...post, headers: [html, cookie] })).status, 200);
    const request = reached().pop();
    assert.deepEqual([request.method, request.body, request.headers["x-rollcall-session"]], ["POST", "note=remember", [session.id]]);
  });

  test("a script is answered 401 and not redirected", async () => {
    const answer = await send("/account", { headers: [["Accept", "application/json"]] });
    assert.deepEqual([answer.status, answer.headers.location], [401, undefined]);
    const { cookie } = await signedIn(user);
    const insufficient = await send("/secure/x", { headers: [["Accept", "application/json"], cookie] });
    assert.equal(insufficient.status, 401);
    assert.match(insufficient.headers["www-authenticate"], /insufficient_user_authentication.*acr_values="aal2"/);
  });

  test("nothing of a browser's request chooses what the check requires or records", async () => {
    const { session, cookie } = await signedIn(user);
    const queries = ["q=100%", "a=1;b=2", "max_age=0", "max_age=x", "acr=aal3", "amr=hwk", "client_id=invented", "touch=false", "touch=x", "%zz", "?"];
    for (const query of queries) {
      assert.equal((await send(`/account?${query}`, { headers: [cookie] })).status, 200, query);
      assert.equal(reached().pop().target, `/account?${query}`, query);
    }
    assert.deepEqual((await management.sessions.get(session.id)).clients, [{ client_id: "shop" }]);
    const asked = await askedFor(async () => {
      for (const query of queries) {
        for (const path of ["/account", "/secure/x", "/events/x"]) {
          assert.equal((await send(`${path}?${query}`, { headers: [cookie] })).status, 200, query);
        }
      }
    }, identityOf(session));
    assert.deepEqual(asked.map(({ query }) => query), queries.flatMap(() => ["", "acr=aal2", "touch=false"]));
  });

  test("a request that the client calls hop-by-hop arrives whole", async () => {
    const { session, cookie } = await signedIn(user);
    for (const listed of [identity.join(", "), "close, X-Rollcall-User", "cookie", "keep-alive, X-Forwarded-For", "upgrade, X-Rollcall-User"]) {
      const answer = await send("/account", { headers: [cookie, ["Connection", listed]] });
      if (answer.status !== 200) {
        // A client may take away what is its own, or be refused.
        assert.ok(!/rollcall/i.test(listed) && [400, 401].includes(answer.status), `${listed}: ${answer.status}`);
        assert.deepEqual(reached(), [], listed);
        continue;
      }
      const { headers } = reached().pop();
      assert.deepEqual(headers["x-rollcall-user"], [user], listed);
      assert.deepEqual(headers["x-rollcall-session"], [session.id], listed);
      assert.deepEqual(headers["x-forwarded-for"], ["127.0.0.1"], listed);
      assert.match(String(headers.cookie), /__Host-rollcall=/, listed);
      assert.match(String(headers.connection ?? ""), /^(close|keep-alive)?$/i, `${listed}: the application's next hop would strip them`);
    }
  });

  test("a websocket opens for a session that is good, and for nobody else", () => withPage(async (page) => {
    const { session, cookie } = await signedIn(user);
    const upgrade = [["Connection", "keep-alive, Upgrade"], ["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"], ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="]];
    const opened = await send("/socket", { headers: [cookie, ...forged, ...upgrade] });
    assert.deepEqual([opened.status, opened.body], [101, "\x81\x05hello"]);
    const request = reached().pop();
    assert.deepEqual([request.headers["x-rollcall-user"], request.headers["x-rollcall-session"]], [[user], [session.id]]);
    assert.equal((await send("/socket", { headers: upgrade })).status, 401);
    assert.equal((await send("/secure/socket", { headers: [cookie, ...upgrade] })).status, 401);
    assert.deepEqual(reached(), []);

    await page.goto(`${origin()}/account`);
    await signIn(page);
    await page.waitForURL(`${origin()}/account`);
    assert.equal(await page.evaluate(() => new Promise((done) => {
      const socket = new WebSocket(`wss://${location.host}/socket`);
      socket.onmessage = (message) => done(message.data);
      socket.onerror = () => done("refused");
    })), "hello");
  }));

  test("no other protocol is upgraded to, past all rules", async () => {
    const { cookie } = await signedIn(user);
    for (const path of ["/account", "/public/page"]) {
      for (const protocol of ["h2c", "websocket, h2c", "h2c, websocket", "TLS/1.0"]) {
        const headers = [cookie, ["Connection", "Upgrade, HTTP2-Settings"], ["Upgrade", protocol], ["HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"]];
        const { status } = await send(path, { headers });
        assert.notEqual(status, 101, `${path}, ${protocol}`);
        for (const request of reached().splice(0)) {
          assert.equal(request.headers.upgrade, undefined, `${path}, ${protocol}`);
        }
      }
    }
  });

  test("a preflight of a listed origin is answered by the proxy, any other one by the check", async () => {
    const preflight = (from) => [["Origin", from], ["Access-Control-Request-Method", "PUT"], ["Access-Control-Request-Headers", "content-type"]];
    for (const path of ["/account", "/secure/x", "/events/x", "/account?a=b"]) {
      const { status, headers } = await send(path, { method: "OPTIONS", headers: preflight(listedOrigin) });
      assert.ok(status === 200 || status === 204, `${path}: ${status}`);
      assert.equal(headers["access-control-allow-origin"], listedOrigin);
      assert.equal(headers["access-control-allow-credentials"], "true");
      assert.match(headers["access-control-allow-methods"], /\bPUT\b/);
      assert.match(headers["access-control-allow-headers"], /\bcontent-type\b/i);
      for (const from of ["https://evil.example.com", `${listedOrigin}.evil.example.com`, listedOrigin.replace("https:", "http:"), `${listedOrigin}:8443`, "null"]) {
        const other = await send(path, { method: "OPTIONS", headers: preflight(from) });
        assert.deepEqual([other.status, other.headers["access-control-allow-origin"]], [401, undefined], from);
      }
      // No preflight: an OPTIONS request, which needs a session like any other.
      assert.equal((await send(path, { method: "OPTIONS", headers: [["Origin", listedOrigin]] })).status, 401);
      assert.equal((await send(path, { headers: preflight(listedOrigin) })).status, 401);
    }
    assert.deepEqual(reached(), []);
  });

  test("a long address is no failure, and never one of a user who is signed in", async () => {
    const { cookie } = await signedIn(user);
    for (const length of [1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 14_000, 15_000, 15_500, 16_000]) {
      for (const piece of ["a", "%2C"]) {
        const query = `?q=${piece.repeat(length / piece.length)}`;
        const without = await send(`/public/page${query}`);
        const target = `/account${query}`;
        const within = await send(target, { headers: [cookie] });
        const refused = await send(target, { headers: [html] });
        // Some proxies themselves take no such address.
        if (without.status === 200) {
          assert.deepEqual([within.status, refused.status], [200, 302], `${length} of ${piece}`);
          const back = new URL(refused.headers.location).searchParams.get("return_to");
          assert.ok(back === origin() + target || back === null && length > 2_000, `${length} of ${piece}: back to ${back}`);
        } else {
          assert.ok(without.status < 500 && within.status < 500 && refused.status < 500, `${length} of ${piece}: ${without.status}, ${within.status}, ${refused.status}`);
        }
      }
    }
  });

  test("large cookies are no failure", async () => {
    const { cookie } = await signedIn(user);
    for (const length of [2_000, 4_000, 6_000, 7_500]) {
      const headers = [["Cookie", `${cookie[1]}; large=${"a".repeat(length)}`]];
      const target = `/account?q=${"a".repeat(2_000)}`;
      assert.deepEqual([(await send(target, { headers })).status, (await send(target, { headers: [html, ["Cookie", `large=${"a".repeat(length)}`]] })).status], [200, 302], String(length));
    }
  });

  test("only a browser on its way to a page is sent elsewhere", async () => {
    const navigation = [["Accept", "text/html,application/xhtml+xml,*/*;q=0.8"], ["Sec-Fetch-Mode", "navigate"], ["Sec-Fetch-Dest", "document"]];
    for (const headers of [navigation, [html]]) {
      assert.equal((await send("/account", { headers })).status, 302);
      assert.equal((await send("/account", { headers, method: "HEAD" })).status, 302);
    }
    for (const headers of [
      [html, ["X-Requested-With", "XMLHttpRequest"]], [html, ["HX-Request", "true"]], [html, ["X-PJAX", "true"]], [html, ["Turbo-Frame", "cart"]],
      [["Accept", "text/html, */*"], ["Sec-Fetch-Mode", "cors"], ["Sec-Fetch-Dest", "empty"]], [["Accept", "text/html;q=0"]], [["Accept", "*/*"]],
    ]) {
      const answer = await send("/account", { headers });
      assert.deepEqual([answer.status, answer.headers.location], [401, undefined], headers.join("; "));
    }
  });

  test("a script of a listed origin can read that it is not signed in", async () => {
    const listed = await send("/account", { headers: [["Origin", listedOrigin]] });
    assert.equal(listed.status, 401);
    assert.equal(listed.headers["access-control-allow-origin"], listedOrigin);
    assert.equal(listed.headers["access-control-allow-credentials"], "true");
    assert.match(listed.headers.vary, /\borigin\b/i);
    const other = await send("/account", { headers: [["Origin", "https://evil.example.com"]] });
    assert.deepEqual([other.status, other.headers["access-control-allow-origin"]], [401, undefined]);
    assert.match(other.headers.vary, /\borigin\b/i);
  });

  test("no answer of the check but a good one lets anybody in", async () => {
    const { cookie } = await signedIn(user);
    const answers = {
      503: (_, response) => response.writeHead(503).end(),
      500: (_, response) => response.writeHead(500).end(),
      404: (_, response) => response.writeHead(404).end(),
      403: (_, response) => response.writeHead(403).end(),
      "a redirect to nowhere": (_, response) => response.writeHead(302).end(),
      "a broken connection": (request) => request.socket.destroy(),
      "no HTTP": (request) => request.socket.end("200 OK\r\n\r\n"),
      "no answer": () => {},
    };
    try {
      for (const [name, handler] of Object.entries(answers)) {
        setting.relay.answerWith(handler);
        const answer = await send("/account", { headers: [cookie, html] });
        assert.ok(answer.status >= 300, `${name}: ${answer.status}`);
        assert.deepEqual(reached(), [], name);
        if (name === "503" || name === "a broken connection") {
          assert.ok(answer.status >= 500, `${name}: ${answer.status}`);
        }
      }
    } finally {
      setting.relay.answerWith();
    }
    assert.equal((await send("/account", { headers: [cookie] })).status, 200);
  });

  test("checks share connections to Rollcall", async () => {
    const { cookie } = await signedIn(user);
    const opened = setting.relay.connections;
    for (let i = 0; i < 30; i++) {
      assert.equal((await send("/account", { headers: [cookie] })).status, 200);
    }
    assert.ok(setting.relay.connections - opened <= 4, `${setting.relay.connections - opened} connections for 30 checks`);
  });

  paths(setting, { identityOf, askedFor, management });
}
