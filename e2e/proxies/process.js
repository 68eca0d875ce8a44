// Proxies as child processes, each in a directory of its own.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";

const snippets = resolve(import.meta.dirname, "../../docs/proxies");
// Debian has nginx and haproxy in /usr/sbin; scripts/proxies puts envoy into an environment.
const path = [process.env.PATH, "/usr/sbin", join(import.meta.dirname, ".venv/bin")].join(delimiter);

const running = new Set();
process.on("exit", () => {
  for (const proxy of running) {
    proxy.kill();
  }
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => process.exit(1));
}

// missing returns which of the programs are not installed.
export function missing(programs) {
  return programs.filter((program) => {
    try {
      execFileSync("sh", ["-c", 'command -v "$1"', "sh", program], { env: { ...process.env, PATH: path }, stdio: "ignore" });
      return false;
    } catch {
      return true;
    }
  });
}

// snippet reads a file of docs/proxies and puts the test's values where it says
// what to replace. A value that is not in the file is a mistake.
export function snippet(name, values) {
  let text = readFileSync(join(snippets, name), "utf8");
  for (const [shown, value] of Object.entries(values)) {
    if (!text.includes(shown)) {
      throw new Error(`${name} does not contain ${shown}`);
    }
    text = text.replaceAll(shown, value);
  }
  return text;
}

export function newDirectory(name) {
  return mkdtempSync(join(tmpdir(), `rollcall-${name}-`));
}

// A Proxy is a proxy's process. Its directory goes when it stops.
export class Proxy {
  #child;
  #directory;
  #ended;
  log = "";

  constructor(directory, command, args) {
    this.#directory = directory;
    this.#child = spawn(command, args, {
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, PATH: path, HOME: directory, XDG_CONFIG_HOME: directory, XDG_DATA_HOME: directory },
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.on("data", (text) => { this.log = (this.log + text).slice(-20_000); });
    }
    this.#ended = new Promise((done) => this.#child.on("error", done).on("exit", done));
    running.add(this);
  }

  // listening waits until the port takes connections.
  async listening(port) {
    const deadline = Date.now() + 10_000;
    while (!await accepts(port)) {
      if (Date.now() > deadline || this.#child.exitCode !== null) {
        await this.stop();
        throw new Error(`the proxy does not listen:\n${this.log}`);
      }
      await new Promise((done) => setTimeout(done, 25));
    }
    return this;
  }

  async stop() {
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), 5_000);
    await this.#ended;
    clearTimeout(late);
    this.#remove();
  }

  kill() {
    this.#child.kill("SIGTERM"); // nginx's workers go with their master, not after a SIGKILL
    this.#remove();
  }

  #remove() {
    running.delete(this);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function accepts(port) {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => { socket.destroy(); done(true); }).on("error", () => done(false));
  });
}
