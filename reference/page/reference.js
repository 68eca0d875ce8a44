// Lets the page's forms make the calls that only read. Tokens stay in the
// variables of this page: they are not stored, not put into an address, and sent to the
// server that the page came from and nowhere else.
"use strict";

(() => {
  const base = new URL(".", location.href);
  const shownHeaders = [
    "content-type", "cache-control", "etag", "location", "allow", "www-authenticate", "retry-after",
    "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-request-id",
    "x-rollcall-user", "x-rollcall-session", "x-rollcall-authenticated-at", "x-rollcall-methods", "x-rollcall-expires-at",
  ];

  function element(name, className, ...children) {
    const e = document.createElement(name);
    if (className) {
      e.className = className;
    }
    e.append(...children);
    return e;
  }

  // address makes the call's URL of what the form holds.
  function address(form) {
    let path = form.dataset.path.slice(1);
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("[data-in]")) {
      const value = input.type === "checkbox" ? (input.checked ? "true" : "") : input.value;
      if (input.dataset.in === "path") {
        path = path.replace(`{${input.name}}`, () => encodeURIComponent(value));
      } else if (value !== "" && input.dataset.in === "query") {
        query.set(input.name, value);
      }
    }
    const url = new URL(path, base);
    url.search = query.toString();
    return url;
  }

  // colour shows JSON with its keys, strings and other values told apart.
  function colour(text) {
    const code = element("code");
    const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
    let last = 0;
    for (const found of text.matchAll(pattern)) {
      code.append(text.slice(last, found.index));
      const kind = found[1] === undefined ? "other" : found[2] === undefined ? "string" : "key";
      code.append(element("span", kind, found[1] ?? found[0]), found[2] ?? "");
      last = found.index + found[0].length;
    }
    code.append(text.slice(last));
    return code;
  }

  function show(form, url, answer, text) {
    const outcome = form.querySelector(".outcome");
    const headers = element("dl");
    for (const name of shownHeaders) {
      if (answer.headers.has(name)) {
        headers.append(element("div", "", element("dt", "", name), element("dd", "", answer.headers.get(name))));
      }
    }
    let body;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined;
    }
    const words = `${answer.status} ${answer.statusText}`.trim();
    const parts = [
      element("p", "caption", element("span", `status ${answer.ok ? "good" : "bad"}`, words)),
      element("p", "url", `GET ${url.pathname}${url.search}`),
      headers,
    ];
    if (text !== "") {
      const pre = element("pre", "json wide", body === undefined ? element("code", "", text) : colour(JSON.stringify(body, null, 2)));
      pre.tabIndex = 0;
      pre.setAttribute("role", "region");
      pre.setAttribute("aria-label", "The answer's body");
      parts.push(pre);
    }
    outcome.replaceChildren(...parts);
    outcome.hidden = false;
    const count = Array.isArray(body?.sessions) ? `, ${body.sessions.length} sessions` : "";
    say(form, `Answered ${words}${count}`);
    return body;
  }

  function say(form, text) {
    form.querySelector(".said").textContent = text;
  }

  function fail(form, message) {
    const outcome = form.querySelector(".outcome");
    outcome.replaceChildren(element("p", "caption", element("span", "status bad", "No answer"), message));
    outcome.hidden = false;
    say(form, message);
  }

  // offerNext keeps the keyboard's place: a button that goes must not take the focus with it.
  function offerNext(form, next) {
    const button = form.querySelector("[data-next]");
    if (!form.querySelector("[name=from]")) {
      return;
    }
    form.dataset.next = next ?? "";
    if (!next && document.activeElement === button) {
      form.querySelector(".outcome").focus({ preventScroll: true });
    }
    button.hidden = !next;
  }

  async function send(form) {
    const url = address(form);
    const headers = new Headers({ Accept: "application/json" });
    const secret = form.querySelector("[data-secret]")?.value.trim();
    if (secret) {
      try {
        headers.set("Authorization", `Bearer ${secret}`);
      } catch {
        fail(form, "The token holds characters that no token has.");
        return;
      }
    }
    try {
      const answer = await fetch(url, { headers, cache: "no-store", credentials: "omit", redirect: "manual", referrerPolicy: "no-referrer" });
      const body = show(form, url, answer, await answer.text());
      offerNext(form, answer.ok ? body?.next : undefined);
    } catch {
      fail(form, "The server could not be reached.");
    }
  }

  async function sendOnce(form) {
    const button = form.querySelector("[type=submit]");
    if (button.getAttribute("aria-disabled") === "true") {
      return;
    }
    button.setAttribute("aria-disabled", "true");
    say(form, "Asking");
    await send(form);
    button.removeAttribute("aria-disabled");
  }

  for (const form of document.querySelectorAll("form.try")) {
    form.hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sendOnce(form);
    });
    form.querySelector("[data-next]").addEventListener("click", () => {
      form.querySelector("[name=from]").value = form.dataset.next;
      sendOnce(form);
    });
    // One token is enough for all forms that take its kind.
    form.querySelector("[data-secret]")?.addEventListener("input", (event) => {
      for (const other of document.querySelectorAll("[data-secret]")) {
        if (other.dataset.secret === event.target.dataset.secret) {
          other.value = event.target.value;
        }
      }
    });
  }

  // A link to a call opens it.
  function open() {
    const details = document.getElementById(decodeURIComponent(location.hash.slice(1)))?.querySelector(":scope > details");
    if (details) {
      details.open = true;
    }
  }
  addEventListener("hashchange", open);
  open();
})();
