// The snippets of docs/proxies in real proxies, in front of a small application, with
// a real browser.
import { after, before, describe, test } from "node:test";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";
import { App } from "./app.js";
import * as caddy from "./caddy.js";
import * as envoy from "./envoy.js";
import * as haproxy from "./haproxy.js";
import * as nginx from "./nginx.js";
import { missing } from "./process.js";
import { Relay } from "./relay.js";
import { scenarios } from "./scenarios.js";

const browserPath = "/usr/bin/chromium";
const hint = "run scripts/proxies as root, or install them yourself";
const proxies = [nginx, caddy, haproxy, envoy];
const browserFlags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const programs = [browserPath, ...proxies.map((proxy) => proxy.name)];
const absent = new Set(missing(programs));

let browser;
before(async () => {
  if (!absent.has(browserPath)) {
    browser = await chromium.launch({ executablePath: browserPath, args: browserFlags });
  }
});
after(() => browser?.close());

for (const proxy of proxies) {
  const lacking = [proxy.name, browserPath].filter((program) => absent.has(program));
  if (lacking.length > 0) {
    const message = `${lacking.join(", ")} not installed: ${hint}`;
    test(`behind ${proxy.name}`, { skip: process.env.CI ? false : message }, () => { throw new Error(message); });
    continue;
  }
  describe(`behind ${proxy.name}`, { timeout: 120_000 }, () => {
    const setting = { port: Number(process.env.PROXY_PORT) };
    before(async () => {
      const tls = dirname(process.env.NODE_EXTRA_CA_CERTS);
      setting.browser = browser;
      setting.relay = new Relay(Number(new URL(process.env.ROLLCALL_HTTP).port));
      setting.app = new App({
        rollcall: `https://${process.env.ROLLCALL_DOMAIN}`,
        client: { id: process.env.ROLLCALL_CLIENT_ID, secret: process.env.ROLLCALL_CLIENT_SECRET },
      });
      setting.addresses = {
        port: setting.port, rollcall: await setting.relay.start(), app: await setting.app.start(),
        cert: join(tls, "cert.pem"), key: join(tls, "key.pem"),
      };
      setting.proxy = await proxy.start(setting.addresses);
    });
    after(async () => {
      await setting.proxy?.stop();
      setting.relay?.stop();
      setting.app?.stop();
    });
    scenarios(setting);
    proxy.scenarios?.(setting);
  });
}
