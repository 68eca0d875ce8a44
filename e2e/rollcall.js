// The real binary, started in a directory of its own.
import { spawn, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export const binary = resolve(import.meta.dirname, "../bin/rollcall");

// environment is what the binary runs in: what the tests keep under ROLLCALL_ is not
// for it.
function environment(more) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith("ROLLCALL_"));
  return { ...Object.fromEntries(kept), ...more };
}

// knowsSetting says whether the binary has a setting.
export function knowsSetting(name) {
  const printed = execFileSync(binary, ["config", "print"], { encoding: "utf8", env: environment() });
  return printed.split("\n").some((line) => line.split(" ")[0] === name);
}

// freePort finds a port of 127.0.0.1 that nobody listens on.
export function freePort() {
  return new Promise((done, failed) => {
    const server = createServer();
    server.on("error", failed);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

// newClient makes a client as `rollcall client new` does: the secret, and what goes
// into the configuration.
export function newClient(id, scope) {
  const made = JSON.parse(execFileSync(binary, ["client", "new", "--id", id, "--scope", scope, "--json"], { env: environment() }));
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

// startServer runs the binary until stop is called, with the settings of its file and
// with environment variables. Where the settings name a certificate, caFile is whose it
// is; otherwise it is the local CA that the server makes.
export async function startServer(settings, { caFile, variables } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "rollcall-e2e-"));
  const tls = join(directory, "data", "tls");
  caFile ??= join(tls, "ca.pem");
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  const config = join(directory, "rollcall.yaml");
  // JSON is YAML.
  writeFileSync(config, JSON.stringify(settings), { mode: 0o600 });
  const server = spawn(binary, [
    "serve", "--config", config, "--data", join(directory, "data"), "--log-format", "json", "--telemetry-listen", "off",
    "--listen", `127.0.0.1:${httpPort}`, "--tls-listen", `127.0.0.1:${tlsPort}`,
  ], { stdio: ["ignore", "ignore", "pipe"], env: environment(variables) });
  let log = "";
  server.stderr.on("data", (text) => { log = (log + text).slice(-100_000); });
  const ended = new Promise((done) => server.on("exit", done));

  // stop answers how the server ended; its last lines are shown when something failed.
  async function stop(failed) {
    server.kill("SIGTERM");
    const code = await ended;
    if (failed || code !== 0) {
      process.stderr.write(log.split("\n").slice(-30).join("\n"));
    }
    if (code !== 0) {
      console.error(`the server ended with ${code}`);
    }
    rmSync(directory, { recursive: true, force: true });
    return code;
  }

  const deadline = Date.now() + 30_000;
  while (!(existsSync(caFile) && await isReady(tlsPort, readFileSync(caFile)))) {
    if (Date.now() > deadline || server.exitCode !== null) {
      await stop(true);
      throw new Error("the server did not become ready");
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  return { pid: server.pid, directory, caFile, tls, domain: `127.0.0.1:${tlsPort}`, http: `http://127.0.0.1:${httpPort}`, stop };
}
