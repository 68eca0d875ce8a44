// Opens the reference in a browser and reads, tabs and tries as a person would.
// Screenshots go to SCREENSHOTS, or to a directory that is dropped at the end.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

import { createSession, createSessions, fetchToken } from "../tests/server.js";

const executablePath = "/usr/bin/chromium";
const skip = existsSync(executablePath) ? false : `there is no ${executablePath}: run scripts/browser as root`;
if (skip && process.env.CI === "true") {
  throw new Error(skip);
}

const origin = process.env.ROLLCALL_HTTP;
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const kept = process.env.SCREENSHOTS;
const directory = kept ?? mkdtempSync(join(tmpdir(), "rollcall-screenshots-"));
const user = "auth0|507f1f77bcf86cd799439020";
let browser;
let token;
let mine;

before(async () => {
  if (skip) {
    return;
  }
  browser = await chromium.launch({
    executablePath,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  await createSessions(user, 5);
  mine = await createSession(user);
  token = await fetchToken("read:sessions");
});

after(async () => {
  await browser?.close();
  if (!kept) {
    rmSync(directory, { recursive: true, force: true });
  }
});

// visit runs steps on the open page, and holds that it asked nobody but the server and
// complained about nothing.
async function visit(options, steps) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on("request", (request) => requests.push(request));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  try {
    await page.goto(`${origin}/docs`);
    await steps(page, requests, complaints);
  } finally {
    await context.close();
  }
  assert.deepEqual(requests.map((r) => r.url()).filter((url) => new URL(url).origin !== origin), [], "requests elsewhere");
  assert.deepEqual(complaints, [], "complaints on the console");
}

const listing = (page) => page.locator("form.try").first();

// expectNoViolations puts axe in past the page's own policy, which lets no foreign script in.
async function expectNoViolations(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axeSource });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
  assert.deepEqual(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).slice(0, 3).join(" | ")}`), []);
}

async function list(page, take) {
  const form = listing(page);
  await form.getByLabel("Management token").fill(token);
  await form.getByLabel("user_id").fill(user);
  await form.getByLabel("take").fill(String(take));
  await form.getByLabel("include_totals").check();
  await form.getByRole("button", { name: "Send" }).click();
  await form.getByText("200 OK", { exact: true }).waitFor();
  return form;
}

const answered = async (form) => JSON.parse(await form.locator(".outcome pre").textContent());

test("the listing can be tried, page after page, with a token that is kept nowhere", { skip }, async () => {
  await visit({}, async (page, requests) => {
    const form = await list(page, 4);
    const first = await answered(form);
    assert.equal(first.sessions.length, 4);
    assert.equal(first.total, 6);
    assert.match(await form.locator(".outcome").textContent(), /cache-control.*no-store/);
    const next = form.getByRole("button", { name: "Next page" });
    await next.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((last) => !document.querySelector(".outcome pre").textContent.includes(last), first.sessions[0].id);
    const second = await answered(form);
    assert.equal(second.sessions.length, 2);
    assert.deepEqual(second.sessions.filter((s) => first.sessions.some((f) => f.id === s.id)), []);
    assert.equal(await next.isVisible(), false);
    assert.equal(await page.evaluate(() => document.activeElement.className), "outcome", "the keyboard's place");
    for (const request of requests) {
      assert.ok(!request.url().includes(token), "the token is in an address");
    }
    assert.deepEqual(await page.evaluate(() => [localStorage.length, sessionStorage.length, document.cookie]), [0, 0, ""]);
    await page.reload();
    assert.equal(await listing(page).getByLabel("Management token").inputValue(), "");
  });
});

test("what is wrong with a call is shown as it was answered", { skip }, async () => {
  await visit({}, async (page, _, complaints) => {
    const form = listing(page);
    await form.getByRole("button", { name: "Send" }).click();
    await form.getByText("401 Unauthorized", { exact: true }).waitFor();
    assert.match(await form.locator(".outcome pre").textContent(), /Missing authentication/);
    assert.equal(await form.getByRole("button", { name: "Next page" }).isVisible(), false);
    // The browser itself reports the status of a failed request, and nothing else did.
    assert.deepEqual(complaints.splice(0).filter((text) => !/status of 401/.test(text)), []);
  });
});

test("the other reading calls can be tried too", { skip }, async () => {
  await visit({}, async (page) => {
    const call = async (id, fields) => {
      await page.locator(`#${id} > details > summary`).click();
      const form = page.locator(`#${id} form.try`);
      for (const [label, value] of Object.entries(fields)) {
        await form.getByLabel(label, { exact: true }).fill(value);
      }
      await form.getByRole("button", { name: "Send" }).click();
      await form.getByText("200 OK", { exact: true }).waitFor();
      return form;
    };
    assert.equal((await answered(await call("getSession", { "Management token": token, id: mine.session.id }))).id, mine.session.id);
    assert.equal((await answered(await call("listOwnSessions", { "Session token": mine.token }))).sessions.find((s) => s.current).id, mine.session.id);
    // One token serves every form of its kind.
    assert.equal(await page.locator("#check input[type=password]").inputValue(), mine.token);
    assert.match(await (await call("check", {})).locator(".outcome").textContent(), new RegExp(mine.session.id));
    assert.equal((await answered(await call("getReadiness", {}))).status, "ready");
    assert.equal((await answered(await call("getKeys", {}))).keys.length, 1);
  });
});

test("the keyboard alone reaches everything, and sees where it is", { skip }, async () => {
  await visit({}, async (page) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    const seen = new Set();
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        if (e === document.body) {
          return null; // the end of the page
        }
        // What is hidden behind its label shows its focus there.
        const shown = e.type === "radio" ? e.nextElementSibling : e;
        return { name: e.id || e.textContent.trim().slice(0, 40), outline: getComputedStyle(shown).outlineStyle };
      });
      if (at === null) {
        break;
      }
      if (at.outline === "none") {
        assert.fail(`${at.name} does not show its focus`);
      }
      seen.add(at.name);
    }
    for (const name of ["listUserSessions-token", "listUserSessions-user_id", "listUserSessions-take", "listUserSessions-from", "listUserSessions-include_totals", "Send", "sample-curl"]) {
      assert.ok(seen.has(name), `${name} is not reached: ${[...seen].join(", ")}`);
    }
    await page.locator("#sample-curl").focus();
    await page.keyboard.press("ArrowRight");
    assert.ok(await page.getByText("npm install auth0").isVisible());
  });
});

test("nothing is missing without JavaScript", { skip }, async () => {
  await visit({ javaScriptEnabled: false }, async (page) => {
    assert.equal(await page.locator("form.try").first().isVisible(), false);
    assert.ok(await page.getByRole("heading", { name: "List a user's sessions" }).isVisible());
    assert.equal(await page.locator("#listing .parameters > div").count(), 4);
    await page.locator("#createSession > details > summary").click();
    assert.ok(await page.locator("#createSession .fields").first().isVisible());
  });
});

for (const [name, options] of Object.entries({
  light: { colorScheme: "light", viewport: { width: 1280, height: 1100 } },
  dark: { colorScheme: "dark", viewport: { width: 1280, height: 1100 } },
  320: { colorScheme: "light", viewport: { width: 320, height: 1100 } },
})) {
  test(`axe finds no violation and nothing is wider than the page: ${name}`, { skip }, async () => {
    await visit(options, async (page) => {
      assert.equal(await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches), name === "dark");
      await list(page, 2);
      // A token must not be in a picture, not even as dots.
      await listing(page).getByLabel("Management token").fill("");
      await page.evaluate(() => { document.activeElement.blur(); scrollTo(0, 0); });
      await page.screenshot({ path: join(directory, `reference-${name}.png`) });
      await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
      const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
      assert.ok(wide <= room, `${wide} px on ${room}`);
      await expectNoViolations(page);
    });
  });
}
