// Runs the proxy tests beside a server that sends browsers to the tests' own login
// page: node proxies/run.js [option of node --test...]
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const port = await new Promise((done, failed) => {
  const server = createServer();
  server.on("error", failed);
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => done(port));
  });
});
// The proxies take turns on one port, so that one server knows its only origin.
const origin = `https://localhost:${port}`;
const child = spawn(process.execPath, ["with-server.js", process.execPath, "--test", "--test-reporter=spec", ...process.argv.slice(2), "proxies/"], {
  cwd: root,
  detached: true, // a group of its own, which ends together
  stdio: "inherit",
  env: {
    ...process.env,
    PROXY_PORT: port,
    SERVER_SETTINGS: JSON.stringify({ login_url: `${origin}/login`, return_origins: [origin], cors_origins: ["https://other.example.com"], trusted_proxies: ["127.0.0.1"] }),
  },
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => process.kill(-child.pid, signal));
}
child.on("exit", (code) => process.exit(code ?? 1));
