// Spellings of paths against the rules that go by path. An application may read a path
// otherwise than the proxy does, so a file with such rules refuses every spelling that
// can be read as another path, and matches the rest without case and without ;parameters.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { ask, askAll, signedIn } from "./client.js";

const spellings = JSON.parse(readFileSync(join(import.meta.dirname, "spellings.json"), "utf8"));

// spelled fills the name of a rule into paths of spellings.json.
function spelled(paths, name) {
  const encoded = (i) => `${name.slice(0, i)}%${name.charCodeAt(i).toString(16)}${name.slice(i + 1)}`;
  const forms = {
    "{name}": name, "{NAME}": name.toUpperCase(), "{Name}": name[0].toUpperCase() + name.slice(1),
    "{%name}": encoded(0), "{nam%}": encoded(name.length - 1), "{%NAME}": encoded(0).toUpperCase(),
  };
  return paths.map((path) => path.replaceAll(/\{[^}]*\}/g, (form) => forms[form]));
}
const alike = (name) => spelled(spellings.alike, name);

// paths registers the tests.
export function paths(setting, { identityOf, askedFor, management }) {
  const send = (path, options) => ask(setting.port, path, options);
  const host = () => `localhost:${setting.port}`;
  const reached = () => setting.app.requests.splice(0);

  async function sessions() {
    const weak = await signedIn("auth0|ada");
    const strong = await signedIn("auth0|ada", { authentication: { methods: [{ name: "pwd" }, { name: "mfa", type: "otp" }] } });
    return { weak: [weak.cookie], strong: [strong.cookie] };
  }

  test("a path that can be read as another one is refused, whatever the rule and whoever asks", async () => {
    const { weak, strong } = await sessions();
    const wrong = [];
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const refuse = async (path, who, headers) => {
      const { status } = await send(path, { headers, agent });
      if (status !== 400) {
        wrong.push(`${path} of ${who}: ${status}`);
      }
    };
    await Promise.all(["secure", "events", "public", "login", "account"].flatMap((name) => spelled(spellings.refused, name).flatMap((path) => [
      refuse(path, "a user", strong), ...(name === "secure" ? [refuse(path, "a weaker one", weak), refuse(path, "nobody", [])] : []),
    ])));
    // A request's target may be a whole address (RFC 9112 3.2.2).
    await Promise.all(spelled(spellings.refused, "secure").flatMap((path) => [refuse(`https://${host()}${path}`, "a user", strong), refuse(`HTTPS://${host()}${path}`, "a user", strong)]));
    agent.destroy();
    assert.deepEqual(wrong, []);
    assert.deepEqual(reached().map(({ target }) => target), []);
  });

  test("over HTTP/2 the same paths are refused, and the same rules match", async () => {
    const { weak, strong } = await sessions();
    const paths = spelled(spellings.refused, "secure");
    assert.deepEqual((await askAll(setting.port, paths, strong)).map((status, i) => `${paths[i]}: ${status}`), paths.map((path) => `${path}: 400`));
    assert.deepEqual(await askAll(setting.port, alike("secure"), weak), alike("secure").map(() => 401));
    assert.deepEqual(reached(), []);
    assert.deepEqual(await askAll(setting.port, alike("secure"), strong), alike("secure").map(() => 200));
    assert.equal(reached().length, alike("secure").length);
  });

  test("rules match without case and without what follows a semicolon", async () => {
    const { weak, strong } = await sessions();
    const wrong = [];
    const expect = async (path, who, headers, status) => {
      const answer = await send(path, { headers });
      const arrived = reached();
      if (answer.status !== status || arrived.length !== (status === 200 ? 1 : 0)) {
        wrong.push(`${path} of ${who}: ${answer.status} for ${status}, ${arrived.length} reached the application`);
      }
    };
    for (const path of [...alike("secure"), "/secure", "/SECURE", "/secure;a=b", `https://${host()}/secure/x`, `HTTPS://${host()}/SECURE;a=b/x`]) {
      await expect(path, "nobody", [], 401);
      await expect(path, "weak", weak, 401);
      await expect(path, "strong", strong, 200);
    }
    for (const path of [...alike("public"), "/login", "/LOGIN", "/login;a=b", "/Login;a"]) {
      await expect(path, "nobody", [], 200);
    }
    for (const path of [...alike("events"), ...alike("account")]) {
      await expect(path, "nobody", [], 401);
      await expect(path, "weak", weak, 200);
    }
    assert.deepEqual(wrong, []);
  });

  test("a path that polls is asked about without a use, however it is spelled", async () => {
    const { session, cookie } = await signedIn("auth0|ada");
    const asked = await askedFor(async () => {
      for (const path of alike("events")) {
        assert.equal((await send(path, { headers: [cookie] })).status, 200, path);
      }
    }, identityOf(session));
    assert.deepEqual(asked.map(({ query }) => query), alike("events").map(() => "touch=false"));
    const addressAfter = async (path) => {
      assert.equal((await send(path, { headers: [cookie], from: "127.0.0.9" })).status, 200);
      return (await management.sessions.get(session.id)).device.last_ip;
    };
    assert.equal(await addressAfter("/events/x"), session.device.last_ip);
    assert.equal(await addressAfter("/account"), "127.0.0.9");
  });

  test("no harmless path is refused or changed", async () => {
    const { weak } = await sessions();
    for (const path of spellings.harmless) {
      const { status } = await send(path, { headers: weak });
      assert.deepEqual([status, reached().map(({ target }) => target)], [200, [path]], path);
    }
  });

  test("no spelling of a path leads around the check", async () => {
    for (const path of ["/public/../account", "/public/%2e%2e/account", "/public/./../account", "/public/x/../../account", "//account",
      "/login/../account", "/public/..;/account", "/public/..%2faccount", "/public%2f../account", "/-/rollcall/check", "/./account",
      `https://${host()}/account`, `https://${host()}/public/../account`, `https://${host()}//account`]) {
      const { status } = await send(path);
      assert.ok(status >= 400, `${path}: ${status}`);
      assert.deepEqual(reached().map(({ path }) => path), [], path);
    }
  });
}
