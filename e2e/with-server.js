// Starts the real binary in a directory of its own and runs a command beside it:
// node with-server.js COMMAND [ARGUMENT...]
//
// The command finds in its environment where the server is (ROLLCALL_DOMAIN,
// ROLLCALL_HTTP), a client with every scope and one with a single scope, and
// the local CA where node looks for it at start-up.
import { spawn, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const binary = resolve(import.meta.dirname, "../bin/rollcall");
const everyScope = "read:sessions update:sessions delete:sessions create:sessions end:everybody";

function freePort() {
  return new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

// A client as `rollcall client new` makes it: the id, the secret, and what goes
// into the configuration.
function newClient(id, scope) {
  const made = JSON.parse(execFileSync(binary, ["client", "new", "--id", id, "--scope", scope, "--json"]));
  return { secret: made.client_secret, declaration: { client_id: id, client_secret_sha256: made.client_secret_sha256, scopes: scope.split(" ") } };
}

function isReady(port, ca) {
  return new Promise((done) => {
    const request = get({ host: "127.0.0.1", port, path: "/readyz", ca }, (answer) => {
      answer.resume();
      done(answer.statusCode === 200);
    });
    request.on("error", () => done(false));
  });
}

const directory = mkdtempSync(join(tmpdir(), "rollcall-e2e-"));
const caFile = join(directory, "data", "tls", "ca.pem");
const [httpPort, tlsPort] = [await freePort(), await freePort()];
const full = newClient("e2e", everyScope);
const reader = newClient("reader", "read:sessions");
const config = join(directory, "rollcall.yaml");
// JSON is YAML.
writeFileSync(config, JSON.stringify({ clients: [full.declaration, reader.declaration] }), { mode: 0o600 });

const server = spawn(binary, [
  "serve", "--config", config, "--data", join(directory, "data"), "--log-format", "json",
  "--listen", `127.0.0.1:${httpPort}`, "--tls-listen", `127.0.0.1:${tlsPort}`,
  "--telemetry-listen", "off",
], { stdio: ["ignore", "ignore", "pipe"] });
let log = "";
server.stderr.on("data", (text) => { log = (log + text).slice(-100_000); });
const ended = new Promise((done) => server.on("exit", done));

async function stop(code) {
  server.kill("SIGTERM");
  const serverCode = await ended;
  if (code !== 0 || serverCode !== 0) {
    process.stderr.write(log.split("\n").slice(-30).join("\n"));
  }
  if (serverCode !== 0) {
    console.error(`the server ended with ${serverCode}`);
  }
  rmSync(directory, { recursive: true, force: true });
  process.exit(code || serverCode || 0);
}

const deadline = Date.now() + 30_000;
while (!(existsSync(caFile) && await isReady(tlsPort, readFileSync(caFile)))) {
  if (Date.now() > deadline || server.exitCode !== null) {
    console.error("the server did not become ready");
    await stop(1);
  }
  await new Promise((done) => setTimeout(done, 50));
}

const [command, ...args] = process.argv.slice(2);
const child = spawn(command, args, {
  stdio: "inherit",
  env: {
    ...process.env,
    NODE_EXTRA_CA_CERTS: caFile,
    ROLLCALL_DOMAIN: `127.0.0.1:${tlsPort}`,
    ROLLCALL_HTTP: `http://127.0.0.1:${httpPort}`,
    ROLLCALL_CLIENT_ID: "e2e",
    ROLLCALL_CLIENT_SECRET: full.secret,
    ROLLCALL_READER_SECRET: reader.secret,
  },
});
child.on("exit", (code) => stop(code ?? 1));
