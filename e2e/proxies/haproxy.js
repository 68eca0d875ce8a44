import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ask, signedIn } from "./client.js";
import { Proxy, newDirectory, snippet } from "./process.js";

export const name = "haproxy";

// start runs HAProxy on the port, with what docs/proxies/haproxy.cfg says; lua
// stands in for the action's file.
export function start({ port, rollcall, app, cert, key, lua = snippet("haproxy/auth-request.lua", {}) }) {
  const directory = newDirectory(name);
  const file = (base) => join(directory, base);
  writeFileSync(file("app.pem"), readFileSync(cert, "utf8") + readFileSync(key, "utf8"), { mode: 0o600 });
  writeFileSync(file("auth-request.lua"), lua);
  writeFileSync(file("haproxy.cfg"), snippet("haproxy.cfg", {
    "127.0.0.1:8080": rollcall,
    "127.0.0.1:3000": app,
    "bind :443": `bind 127.0.0.1:${port}`,
    "/etc/ssl/app/app.pem": file("app.pem"),
    "/etc/haproxy/auth-request.lua": file("auth-request.lua"),
  }));
  return new Proxy(directory, "haproxy", ["-db", "-f", file("haproxy.cfg")]).listening(port);
}

// scenarios are HAProxy's own: its rules go on when an action breaks.
export function scenarios(setting) {
  test("an action that breaks lets nobody in", async () => {
    const { cookie } = await signedIn("auth0|ada");
    const whole = snippet("haproxy/auth-request.lua", {});
    const broken = whole.replace("local function question(txn)\n", '$&    error("broken")\n');
    assert.notEqual(broken, whole);
    await setting.proxy.stop();
    setting.proxy = await start({ ...setting.addresses, lua: broken });
    assert.equal((await ask(setting.port, "/account", { headers: [cookie] })).status, 503);
    assert.deepEqual(setting.app.requests, []);
    assert.equal((await ask(setting.port, "/public/page")).status, 200);
  });
}
