// A small application that knows nothing of sessions but what the proxy in front
// of it says, and signs users in and out with Rollcall.
import { createHash } from "node:crypto";
import { createServer } from "node:http";

const cookieName = "__Host-rollcall";

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)}</title><h1>${escape(title)}</h1>${body}</html>`;
}

export class App {
  #rollcall;
  #client;
  #token;
  #server = createServer({ maxHeaderSize: 65_536 }, (request, response) => this.#serve(request, response).catch((error) => {
    response.writeHead(500).end(String(error));
  }));
  // requests are what has reached the application: {method, target, path, headers, body}.
  // The target is as it was sent, the path is what browsers and many frameworks make
  // of it.
  requests = [];

  // rollcall is its https origin, client the application's {id, secret} there.
  constructor({ rollcall, client }) {
    this.#rollcall = rollcall;
    this.#client = client;
  }

  async start() {
    this.#server.on("upgrade", (request, socket) => this.#upgrade(request, socket));
    await new Promise((done, failed) => this.#server.on("error", failed).listen(0, "127.0.0.1", done));
    return `127.0.0.1:${this.#server.address().port}`;
  }

  stop() {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #serve(request, response) {
    let body = "";
    for await (const piece of request) {
      body += piece;
    }
    const url = this.#note(request, body);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /login": return this.#loginPage(url, response);
      case "POST /login": return this.#login(request, new URLSearchParams(body), response);
      case "POST /logout": return this.#logout(request, response);
      default: return this.#anyPage(url, request, response);
    }
  }

  #note(request, body) {
    const url = new URL(request.url, "http://app");
    const headers = {};
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      (headers[request.rawHeaders[i].toLowerCase()] ??= []).push(request.rawHeaders[i + 1]);
    }
    this.requests.push({ method: request.method, target: request.url, path: url.pathname, headers, body });
    return url;
  }

  // Every websocket gets one message. So does any other protocol: an application must
  // never be asked for one.
  #upgrade(request, socket) {
    this.#note(request, "");
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
    socket.on("error", () => {}).write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n\x81\x05hello`, "latin1");
  }

  #anyPage(url, request, response) {
    const rows = Object.entries(request.headers).filter(([name]) => name.startsWith("x-rollcall-"))
      .map(([name, value]) => `<dt>${escape(name)}</dt><dd id="${escape(name)}">${escape(value)}</dd>`);
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page(url.pathname,
      `<dl>${rows.join("")}</dl><form method="post" action="/logout"><button>Sign out</button></form>`));
  }

  #loginPage(url, response) {
    const value = (name) => escape(url.searchParams.get(name) ?? "");
    const code = url.searchParams.has("acr_values") ? '<label>Code <input name="code"></label>' : "";
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page("Sign in", `<form method="post" action="/login">
      <input type="hidden" name="return_to" value="${value("return_to")}"><label>User <input name="user"></label>${code}<button>Sign in</button></form>`));
  }

  async #login(request, form, response) {
    const methods = [{ name: "pwd" }];
    if (form.get("code")) {
      methods.push({ name: "mfa", type: "otp" });
    }
    const answer = await fetch(`${this.#rollcall}/v1/sessions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${await this.#managementToken()}` },
      body: JSON.stringify({
        user_id: form.get("user"),
        client_id: "shop",
        authentication: { methods },
        device: { ip: request.headers["x-forwarded-for"], user_agent: request.headers["user-agent"] },
        replaces: sessionToken(request),
      }),
    });
    if (answer.status !== 201) {
      response.writeHead(500).end(await answer.text());
      return;
    }
    // Only pages of its own origin are gone back to.
    const own = `https://${request.headers.host}`;
    const target = new URL(form.get("return_to") || "/", own);
    response.writeHead(303, {
      "set-cookie": (await answer.json()).set_cookie,
      location: target.origin === own ? target.href : "/",
    }).end();
  }

  async #logout(request, response) {
    const answer = await fetch(`${this.#rollcall}/v1/sessions/end`, {
      method: "POST", headers: { authorization: `Bearer ${sessionToken(request)}` },
    });
    response.writeHead(answer.ok ? 303 : 500, {
      ...(answer.ok && { "set-cookie": answer.headers.getSetCookie() }), location: "/public/goodbye",
    }).end();
  }

  async #managementToken() {
    this.#token ??= fetch(`${this.#rollcall}/oauth/token`, {
      method: "POST",
      body: new URLSearchParams({ grant_type: "client_credentials", client_id: this.#client.id, client_secret: this.#client.secret }),
    }).then((answer) => answer.json());
    return (await this.#token).access_token;
  }
}

// sessionToken is what the browser's cookie carries.
function sessionToken(request) {
  for (const part of (request.headers.cookie ?? "").split(";")) {
    const [name, value] = part.trim().split("=");
    if (name === cookieName) {
      return value;
    }
  }
  return undefined;
}
