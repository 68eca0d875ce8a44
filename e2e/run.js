import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { signInMany } from "./tests/many.js";
await signInMany();
const tests = join(import.meta.dirname, "tests");
const files = readdirSync(tests).filter((n) => n.endsWith(".test.js")).map((n) => join(tests, n));
const { status } = spawnSync(process.execPath, ["--test", "--test-reporter=spec", ...files], { stdio: "inherit" });
process.exit(status ?? 1);
