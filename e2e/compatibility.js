// The page docs/compatibility.md: which client was seen to do what, as it ran.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const pageFile = join(import.meta.dirname, "../docs/compatibility.md");
const proseFile = join(import.meta.dirname, "compatibility.md");

// readResults reads what the tests left behind: the results by call and client, the
// clients that ran, and those that could not be run here.
export function readResults(file) {
  const ran = { calls: new Map(), clients: new Set(), skipped: new Set() };
  const lines = existsSync(file) ? readFileSync(file, "utf8").trim().split("\n").filter(Boolean) : [];
  for (const { client, call, result, skipped } of lines.map((line) => JSON.parse(line))) {
    if (skipped) {
      ran.skipped.add(skipped);
      continue;
    }
    ran.clients.add(client);
    ran.calls.set(call, (ran.calls.get(call) ?? new Map()).set(client, result));
  }
  return ran;
}

// Calls come before statuses, and numbers in their order, whatever order they ran in.
function inOrder(a, b) {
  const key = (call) => (/^\d/.test(call) ? "2" : "1") + call.replace(/\d+/g, (digits) => digits.padStart(6, "0"));
  return key(a) < key(b) ? -1 : 1;
}

// One table for each client, so that a client can be left out of a comparison.
function table(client, { calls }) {
  const [, name, version] = client.match(/^(.*?) (\S+) \(.*\)$/);
  const own = [...calls.keys()].filter((call) => calls.get(call).has(client)).sort(inOrder);
  const lines = own.map((call) => `| ${name} | ${version} | ${call} | ${calls.get(call).get(client)} |`);
  return [`### ${client}`, "", "| client | version | call | result |", "| --- | --- | --- | --- |", ...lines, ""].join("\n");
}

function render(ran) {
  const [before, after] = readFileSync(proseFile, "utf8").split("<!-- what ran -->\n");
  return before + [...ran.clients].sort().map((client) => table(client, ran)).join("\n") + "\n" + after;
}

// withoutClient drops the table of a client that could not be run.
function withoutClient(page, client) {
  const start = page.indexOf(`### ${client}\n`);
  if (start < 0) {
    return page;
  }
  const end = page.slice(start + 4).search(/^##/m);
  return page.slice(0, start) + page.slice(start + 4 + end);
}

// writePage writes the page anew; every client must have run.
export function writePage(ran) {
  if (ran.skipped.size > 0) {
    throw new Error(`these did not run: ${[...ran.skipped].join(", ")}`);
  }
  writeFileSync(pageFile, render(ran));
}

// pages answers the page as it is and as it should be, both without the clients that
// could not be run here.
export function pages(ran) {
  let committed = existsSync(pageFile) ? readFileSync(pageFile, "utf8") : "";
  for (const client of ran.skipped) {
    committed = withoutClient(committed, client);
  }
  return { committed, expected: render(ran) };
}
