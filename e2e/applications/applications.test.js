// The applications of docs/applications.md, each against a server of its own that trusts no
// proxy. APPLICATIONS names those that run: express, or python and spring, which install
// much. What each must do is one table.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { freePort, newClient, startServer } from "../rollcall.js";

const here = import.meta.dirname;
const wanted = (process.env.APPLICATIONS ?? "express").split(",");
const environment = join(here, "python", ".venv");

// installPython makes the environment unless it is there from the same requirements.
function installPython() {
  const requirements = readFileSync(join(here, "python", "requirements.txt"), "utf8");
  const stamp = join(environment, "requirements.txt");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === requirements) {
    return;
  }
  rmSync(environment, { recursive: true, force: true });
  execFileSync("python3", ["-m", "venv", environment], { stdio: "inherit" });
  execFileSync(join(environment, "bin", "pip"), ["install", "--quiet", "--disable-pip-version-check", "--requirement", join(here, "python", "requirements.txt")],
    { stdio: "inherit" });
  writeFileSync(stamp, requirements);
}

// trustStore puts the CA where Java looks for it.
function trustStore(directory, caFile) {
  const store = join(directory, "trust.p12");
  execFileSync("keytool", ["-importcert", "-noprompt", "-alias", "rollcall", "-file", caFile, "-keystore", store, "-storepass", "changeit"], { stdio: "ignore" });
  return store;
}

// Each says how to start an application on a port, and what it needs beforehand.
const applications = {
  express: [{
    name: "Express",
    start: () => ({ command: process.execPath, args: [join(here, "express", "app.js")], ca: "NODE_EXTRA_CA_CERTS", proxies: "127.0.0.1" }),
  }],
  python: [{
    name: "FastAPI",
    install: installPython,
    start: (port) => ({
      command: join(environment, "bin", "uvicorn"), ca: "SSL_CERT_FILE", cwd: join(here, "python"),
      args: ["fastapi_app:app", "--port", port, "--proxy-headers", "--forwarded-allow-ips", "127.0.0.1"],
    }),
  }, {
    name: "Django",
    install: installPython,
    start: (port) => ({
      command: join(environment, "bin", "python"), ca: "SSL_CERT_FILE", cwd: join(here, "python"), proxies: "127.0.0.1",
      args: ["django_app.py", "runserver", "--noreload", `127.0.0.1:${port}`],
    }),
  }],
  spring: [{
    name: "Spring",
    install: () => execFileSync("mvn", ["--batch-mode", "--quiet", "package"], { cwd: join(here, "spring"), stdio: "inherit" }),
    start: (_, directory, caFile) => ({
      command: "java", ca: "CA_FILE", proxies: "127\\.0\\.0\\.1",
      args: [`-Djavax.net.ssl.trustStore=${trustStore(directory, caFile)}`, "-Djavax.net.ssl.trustStorePassword=changeit", "-jar", join(here, "spring", "target", "app-1.jar")],
    }),
  }],
};

for (const application of wanted.flatMap((name) => applications[name])) {
  describe(application.name, () => promises(application));
}

function promises({ install, start }) {
  const cookieName = "__Host-rollcall";
  const from = { "user-agent": "Firefox", "x-forwarded-for": "198.51.100.66, 203.0.113.7" };
  let server, child, base, origin, directory, secret;
  let output = "";

  before(async () => {
    install?.();
    directory = mkdtempSync(join(tmpdir(), "rollcall-application-"));
    const made = newClient("shop", "create:sessions check:sessions read:sessions");
    secret = made.secret;
    server = await startServer({ clients: [made.declaration] });
    const port = String(await freePort());
    base = `http://127.0.0.1:${port}`;
    origin = base;
    const how = start(port, directory, server.caFile);
    child = spawn(how.command, how.args, {
      cwd: how.cwd,
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        ...process.env, PORT: port, [how.ca]: server.caFile, ...(how.proxies && { TRUSTED_PROXIES: how.proxies }), PYTHONUNBUFFERED: "1",
        APP_ORIGIN: origin, DEMO_PASSWORD: "correct horse", SESSIONS_URL: `https://${server.domain}`, SESSIONS_CLIENT_ID: "shop", SESSIONS_CLIENT_SECRET: secret,
      },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text) => { output += text; });
    }
    for (const deadline = Date.now() + 60_000; ;) {
      if (await fetch(base).then((answer) => answer.status === 200, () => false)) {
        return;
      }
      assert.ok(Date.now() < deadline && child.exitCode === null, `the application did not start:\n${output}`);
      await new Promise((done) => setTimeout(done, 100));
    }
  });

  after(async () => {
    child?.kill("SIGKILL");
    await server?.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function ask(method, path, { token, form, headers } = {}) {
    const answer = await fetch(base + path, {
      method, redirect: "manual",
      headers: { ...from, ...(token && { cookie: `a=b; ${cookieName}=${token}` }), ...(method === "POST" && { origin }), ...headers },
      body: form && new URLSearchParams(form),
    });
    const [cookie] = answer.headers.getSetCookie().filter((value) => value.startsWith(`${cookieName}=`));
    return { status: answer.status, text: await answer.text(), header: (name) => answer.headers.get(name), cookie, token: cookie?.match(/=([^;]*)/)[1] };
  }

  async function signIn(user, token) {
    const answer = await ask("POST", "/login", { token, form: { user, password: "correct horse" } });
    assert.equal(answer.status, 303, output);
    assert.match(answer.cookie, /^__Host-rollcall=rcs_[\w-]+; Path=\/; Max-Age=604800; HttpOnly; Secure; SameSite=Lax$/);
    return answer.token;
  }

  // sessions lists a user's, as an operator sees them, over the plain listener.
  async function sessions(user) {
    const granted = await fetch(`${server.http}/oauth/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "client_credentials", client_id: "shop", client_secret: secret, audience: `${server.http}/api/v2/` }),
    });
    assert.equal(granted.status, 200, await granted.clone().text());
    const answer = await fetch(`${server.http}/api/v2/users/${user}/sessions`, { headers: { authorization: `Bearer ${(await granted.json()).access_token}` } });
    return (await answer.json()).sessions;
  }

  test("a sign-in opens what needs one, and shows the user's address and agent", async () => {
    const token = await signIn("ada");
    const answer = await ask("GET", "/account", { token });
    assert.deepEqual([answer.status, answer.text, answer.header("cache-control")], [200, "ada\n", "no-store"]);
    const [session] = await sessions("ada");
    assert.deepEqual([session.device.initial_ip, session.device.initial_user_agent, session.device.last_ip, session.device.last_user_agent],
      ["203.0.113.7", "Firefox", "203.0.113.7", "Firefox"]);
  });

  test("each request records where the user is, but for those of a page that polls", async () => {
    const token = await signIn("bob");
    const [first] = await sessions("bob");
    await new Promise((done) => setTimeout(done, 20));
    assert.equal((await ask("GET", "/account/news?touch=true", { token, headers: { "user-agent": "poll", "x-forwarded-for": "203.0.113.8" } })).status, 200);
    assert.deepEqual((await sessions("bob"))[0], first);
    assert.equal((await ask("GET", "/account?touch=false", { token, headers: { "user-agent": "Safari", "x-forwarded-for": "203.0.113.9" } })).status, 200);
    const [last] = await sessions("bob");
    assert.deepEqual([last.device.last_ip, last.device.last_user_agent], ["203.0.113.9", "Safari"]);
    assert.notEqual(last.last_interacted_at, first.last_interacted_at);
  });

  test("who is not signed in does not pass, whatever the cookie", async () => {
    const token = await signIn("cleo");
    for (const headers of [{}, { cookie: `${cookieName}=garbage` }, { cookie: `${cookieName}=` }, { cookie: `${cookieName}=${token}; ${cookieName}=${token}` },
      { cookie: `rollcall=${token}` }, { cookie: `a=b; \u00a0${cookieName}=${token}` }]) {
      const answer = await ask("GET", "/account", { headers });
      assert.equal(answer.status, 401, JSON.stringify(headers));
      assert.match(answer.header("www-authenticate"), /^Bearer/);
    }
  });

  test("a level that is not reached is challenged for", async () => {
    const answer = await ask("GET", "/payout", { token: await signIn("dora") });
    assert.equal(answer.status, 401);
    assert.match(answer.header("www-authenticate"), /insufficient_user_authentication.*acr_values="aal2"/);
  });

  test("the next sign-in of a browser ends the session before it", async () => {
    const first = await signIn("eve");
    const second = await signIn("eve", first);
    assert.equal((await ask("GET", "/account", { token: first })).status, 401);
    assert.equal((await ask("GET", "/account", { token: second })).status, 200);
    assert.equal((await sessions("eve")).length, 1);
  });

  test("a sign-out ends the session at once and clears the cookie, also of one that is over", async () => {
    const token = await signIn("fay");
    for (const presented of [token, token, undefined]) {
      const answer = await ask("POST", "/logout", { token: presented });
      assert.equal(answer.status, 303);
      assert.match(answer.cookie, /^__Host-rollcall=; Path=\/; Max-Age=0; HttpOnly; Secure; SameSite=Lax$/);
      assert.equal((await ask("GET", "/account", { token })).status, 401);
    }
  });

  test("a page of another origin signs nobody in or out", async () => {
    const token = await signIn("gil");
    for (const headers of [{ origin: "https://evil.example" }, { origin: "null" }]) {
      assert.equal((await ask("POST", "/logout", { token, headers })).status, 403);
      assert.equal((await ask("POST", "/login", { headers, form: { user: "gil", password: "correct horse" } })).status, 403);
    }
    assert.equal((await ask("GET", "/account", { token })).status, 200);
  });

  test("when the server cannot say, nobody passes, and the cookie stays", async () => {
    const token = await signIn("hal");
    const leaving = await signIn("hal"); // nobody knows what becomes of a log-out without an answer
    process.kill(server.pid, "SIGSTOP"); // it takes connections and answers nothing
    try {
      const began = Date.now();
      for (const [method, path, cookie] of [["GET", "/account", token], ["POST", "/logout", leaving]]) {
        const answer = await ask(method, path, { token: cookie });
        assert.deepEqual([answer.status, answer.header("retry-after"), answer.cookie], [503, "1", undefined]);
      }
      assert.ok(Date.now() - began < 10_000);
      assert.equal((await ask("GET", "/")).status, 200);
    } finally {
      process.kill(server.pid, "SIGCONT");
    }
    assert.equal((await ask("GET", "/account", { token })).status, 200);
  });
}
