// Runs schemathesis, a fuzzer that reads the reference, with all of its checks against the
// server that with-server.js started: node with-server.js node schemathesis/run.js
//
// It is installed into a virtual environment beside this file. The seed is fixed, so that a
// run can be repeated. What it notes for itself goes with the server's directory.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { hasPython, install, missing } from "../venv.js";

const here = import.meta.dirname;
const origin = process.env.ROLLCALL_HTTP;

if (!hasPython()) {
  console.log(`skipped: ${missing}`);
  process.exit(process.env.CI ? 1 : 0);
}
const programs = install(here);

const answer = await fetch(`${origin}/oauth/token`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ grant_type: "client_credentials", client_id: process.env.ROLLCALL_CLIENT_ID, client_secret: process.env.ROLLCALL_CLIENT_SECRET }),
});
const { access_token: token } = await answer.json();
const { status } = spawnSync(join(programs, "st"), [
  "--config-file", join(here, "schemathesis.toml"), "run", `${origin}/openapi.json`, "--url", origin, "--checks", "all",
  "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "10", "--seed", "1", "--generation-database", "none",
  "--suppress-health-check", "all", "--output-sanitize", "true", "--no-color", ...process.argv.slice(2),
], { stdio: "inherit", cwd: process.env.ROLLCALL_RESULTS, env: { ...process.env, MANAGEMENT_TOKEN: token, PYTHONPATH: here, SCHEMATHESIS_HOOKS: "hooks", PYTHONDONTWRITEBYTECODE: "1" } });
process.exit(status ?? 1);
