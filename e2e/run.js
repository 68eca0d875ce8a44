// Runs every client against the server that with-server.js started, and holds
// docs/compatibility.md against what ran. With --write it writes the page instead.
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { signInMany } from "./tests/many.js";
import { resultsFile } from "./tests/results.js";
import { readResults, writePage } from "./compatibility.js";

const tests = join(import.meta.dirname, "tests");

function run(...files) {
  // Most of the time goes into waiting before the next try.
  const { status } = spawnSync(process.execPath, ["--test", "--test-concurrency=3", "--test-reporter=spec", ...files], { stdio: "inherit" });
  if (status !== 0) {
    process.exit(status ?? 1);
  }
}

await signInMany();
run(...readdirSync(tests).filter((name) => name.endsWith(".test.js")).map((name) => join(tests, name)));
if (process.argv.includes("--write")) {
  writePage(readResults(resultsFile));
} else {
  run(join(import.meta.dirname, "compatibility.test.js"));
}
