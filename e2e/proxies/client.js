// Requests as no browser would send them: raw paths, any header, any address of
// loopback.
import { request } from "node:https";
import { createSession } from "../tests/server.js";

// ask sends one request on a connection of its own and returns its answer. Headers
// are pairs; the path goes out as it is.
export function ask(port, path, { method = "GET", headers = [], body = "", from = "127.0.0.1" } = {}) {
  return new Promise((done, failed) => {
    const all = ["Host", `localhost:${port}`, ...headers.flat()];
    if (body) {
      all.push("Content-Length", String(Buffer.byteLength(body)));
    }
    const asked = request({ host: "127.0.0.1", servername: "localhost", port, path, method, headers: all, localAddress: from, agent: false, timeout: 30_000 }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (piece) => { text += piece; });
      answer.on("end", () => done({ status: answer.statusCode, headers: answer.headers, body: text })).on("error", failed);
    });
    asked.on("timeout", () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
    asked.on("error", failed).end(body);
  });
}

// signedIn makes a session and returns it with the header that carries it, among
// other cookies.
export async function signedIn(userId, more) {
  const { session, token } = await createSession(userId, more);
  return { session, cookie: ["Cookie", `theme=dark; __Host-rollcall=${token}`] };
}
