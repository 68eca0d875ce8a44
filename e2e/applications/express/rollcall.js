// The calls of a Rollcall server that an application makes. Node 20 or later; nothing to
// install. NODE_EXTRA_CA_CERTS names the file of a CA of your own.

// How long a call may take, in milliseconds. A check is on the way of every request.
const timeout = 3000;

// unknown is the error of a call without an answer that can be trusted: nobody may pass.
export class Unknown extends Error {}

export class Rollcall {
  #url;
  #form;
  #token; // a promise of { value, until }, shared by all calls

  constructor({ url, clientId, clientSecret }) {
    this.#url = url;
    this.#form = { grant_type: "client_credentials", client_id: clientId, client_secret: clientSecret, audience: `${url}/api/v2/` };
  }

  // check asks about a session token. It answers { good: true, user_id, session_id, ... } or
  // { good: false, challenge }. touch: false records no use.
  async check(token, { ip, userAgent, acr, touch = true }) {
    return (await this.#call("/v1/check", { token, device: device(ip, userAgent), acr, touch })).body;
  }

  // signIn makes a session. It answers the value of Set-Cookie. replaces is the token that
  // the browser held before, if it held one.
  async signIn(userId, { methods, ip, userAgent, replaces }) {
    const body = { user_id: userId, authentication: { methods }, device: device(ip, userAgent), replaces };
    // The key makes it safe to repeat a call whose answer was lost.
    const { setCookie } = await this.#call("/v1/sessions", body, { "idempotency-key": crypto.randomUUID() });
    return setCookie;
  }

  // signOut ends a session by its own token, and answers the value of Set-Cookie that makes
  // the browser forget it; undefined when the session was over already.
  async signOut(token) {
    const answer = await this.#send("/v1/sessions/end", token);
    if (answer.status === 401) {
      return undefined;
    }
    return (await read(answer)).setCookie;
  }

  async #call(path, body, headers) {
    const answer = await this.#send(path, await this.#managementToken(), body, headers);
    if (answer.status !== 401) {
      return read(answer);
    }
    this.#token = undefined; // it is not accepted any more: once more with a new one
    return read(await this.#send(path, await this.#managementToken(), body, headers));
  }

  async #managementToken() {
    const fetching = this.#token ??= this.#fetchToken();
    try {
      const { value, until } = await fetching;
      if (Date.now() < until) {
        return value;
      }
    } catch (error) {
      if (this.#token === fetching) {
        this.#token = undefined;
      }
      throw error;
    }
    if (this.#token === fetching) {
      this.#token = undefined;
    }
    return this.#managementToken();
  }

  async #fetchToken() {
    const { body } = await read(await this.#send("/oauth/token", undefined, this.#form));
    return { value: body.access_token, until: Date.now() + (body.expires_in - 60) * 1000 };
  }

  async #send(path, token, body, headers = {}) {
    if (token) {
      headers = { ...headers, authorization: `Bearer ${token}` };
    }
    try {
      const answer = await fetch(this.#url + path, {
        method: "POST",
        headers: { ...headers, ...(body && { "content-type": "application/json" }) },
        body: body && JSON.stringify(body), // leaves out what is undefined
        redirect: "error",
        signal: AbortSignal.timeout(timeout),
      });
      return { status: answer.status, setCookie: answer.headers.get("set-cookie"), text: await answer.text() };
    } catch (error) {
      throw new Unknown(`${path}: no answer`, { cause: error });
    }
  }
}

// device leaves out what is not known: an empty address would be no address.
function device(ip, userAgent) {
  return { ip: ip || undefined, user_agent: userAgent || undefined };
}

function read({ status, setCookie, text }) {
  if (status < 200 || status > 299) {
    throw new Unknown(`the session server answers ${status}: ${text.slice(0, 300)}`);
  }
  try {
    return { setCookie, body: JSON.parse(text) };
  } catch (error) {
    throw new Unknown("the session server's answer cannot be read", { cause: error });
  }
}
