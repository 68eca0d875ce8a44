// The package auth0-python of PyPI, by python/sessions.py, in an environment of its own
// that is made here from python/requirements.txt.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { headers, startFaults } from "./faults.js";
import { manyFile } from "./many.js";
import { record, skipClient } from "./results.js";
import { hasPython, install, missing } from "../venv.js";

const directory = join(import.meta.dirname, "../python");
const requirements = readFileSync(join(directory, "requirements.txt"), "utf8");
const title = `auth0-python ${requirements.match(/^auth0-python==(.*)$/m)[1]} (PyPI)`;

function run(python, proxies) {
  return new Promise((done, failed) => {
    const child = spawn(python, [join(directory, "sessions.py")], {
      stdio: ["ignore", "pipe", "inherit"],
      env: {
        ...process.env,
        SSL_CERT_FILE: process.env.NODE_EXTRA_CA_CERTS,
        ROLLCALL_MANY: manyFile,
        ROLLCALL_PROXIES: JSON.stringify(Object.fromEntries(Object.entries(proxies).map(([name, { domain }]) => [name, domain]))),
      },
    });
    let out = "";
    child.stdout.on("data", (text) => { out += text; });
    child.on("error", failed);
    child.on("exit", (code) => (code === 0 ? done(out.trim().split("\n").map((line) => JSON.parse(line))) : failed(new Error(`python ended with ${code}`))));
  });
}

const skip = !hasPython() && !process.env.CI ? missing : false;
if (skip) {
  skipClient(title);
}

test(title, { skip }, async (t) => {
  assert.ok(hasPython(), missing);
  const python = join(install(directory), "python");
  const lost = { status: 503, acted: true };
  const refusing = (status) => Array(10).fill({ status, headers: headers.retryAfter(1) });
  const proxies = {
    retryAfter: await startFaults(t, { status: 429, headers: headers.retryAfter(1) }),
    reset: await startFaults(t, { status: 429, headers: headers.reset() }),
    refusing: await startFaults(t, ...refusing(429)),
    conflicting: await startFaults(t, ...refusing(409)),
    failing: await startFaults(t, ...refusing(503)),
    lostDelete: await startFaults(t, lost),
    lostUpdate: await startFaults(t, lost),
    lostRevoke: await startFaults(t, lost),
  };
  const results = await run(python, proxies);
  for (const { call, result, error } of results) {
    await t.test(call, () => {
      assert.equal(error, undefined, error);
      record(title, call, result);
    });
  }
  await t.test("tries as often as it says, and not before it may", () => {
    for (const [name, count] of [["refusing", 3], ["conflicting", 3], ["failing", 3], ["lostDelete", 2], ["lostRevoke", 2], ["lostUpdate", 2]]) {
      assert.equal(proxies[name].arrivals.length, count, name);
    }
    const [first, second] = proxies.retryAfter.arrivals;
    assert.ok(second.at - first.at >= 900);
    const [refused, again] = proxies.reset.arrivals;
    assert.ok(again.at >= Number(refused.headers["x-ratelimit-reset"]) * 1000 - 50);
  });
});
