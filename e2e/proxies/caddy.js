import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ask, signedIn } from "./client.js";
import { Proxy, newDirectory, snippet } from "./process.js";

export const name = "caddy";

// start runs Caddy on the port, with what docs/proxies/Caddyfile says.
export function start({ port, rollcall, app, cert, key }) {
  const directory = newDirectory(name);
  const file = join(directory, "app");
  writeFileSync(file, snippet("Caddyfile", {
    "127.0.0.1:8080": rollcall,
    "127.0.0.1:3000": app,
    "https://app.example.com": `https://localhost:${port}`,
    "/etc/ssl/app/cert.pem": cert,
    "/etc/ssl/app/key.pem": key,
  }));
  // Nothing on ports of its own choice.
  writeFileSync(join(directory, "Caddyfile"), `{\n\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n}\nimport ${file}\n`);
  return new Proxy(directory, "caddy", ["run", "--adapter", "caddyfile", "--config", join(directory, "Caddyfile")]).listening(port);
}

// scenarios are Caddy's own. When a header that copy_headers names is not in the
// answer, Caddy 2.6 passes the text of its placeholder on: the reason why every
// check sends all of them.
export function scenarios(setting) {
  test("a header that the check leaves out would arrive as a placeholder; none is left out", async () => {
    const { cookie } = await signedIn("auth0|ada");
    const user = async () => {
      assert.equal((await ask(setting.port, "/account", { headers: [cookie] })).status, 200);
      return setting.app.requests.pop().headers["x-rollcall-user"];
    };
    assert.deepEqual(await user(), ["auth0|ada"]);
    setting.relay.answerWith((_, response) => response.writeHead(200).end());
    try {
      const placeholder = await user();
      if (execFileSync("caddy", ["version"], { encoding: "utf8" }).includes("2.6.")) {
        assert.match(placeholder[0], /^\{http\.reverse_proxy\.header\./);
      } else {
        assert.equal(placeholder, undefined);
      }
    } finally {
      setting.relay.answerWith();
    }
  });
}
