"""The calls of a Rollcall server that an application makes, with httpx.

SSL_CERT_FILE names the file of a CA of your own.
"""

import ssl
import threading
import time
import uuid

import httpx

# How long a call may take, in seconds. A check is on the way of every request.
TIMEOUT = 3.0


class Unknown(Exception):
    """A call has no answer that can be trusted: nobody may pass."""


def session_token(cookie_header: str, name: str) -> str | None:
    """Find the token in a Cookie header. A cookie that is there twice is none: nobody can
    tell which is the browser's own."""
    pairs = [pair.strip(" \t") for pair in cookie_header.split(";")]
    found = [pair[len(name) + 1 :] for pair in pairs if pair.startswith(name + "=")]
    return found[0] if len(found) == 1 else None


def _device(ip: str | None, user_agent: str | None) -> dict:
    """Leave out what is not known: an empty address would be no address."""
    return {k: v for k, v in {"ip": ip, "user_agent": user_agent}.items() if v}


class Rollcall:
    """May be used by many threads at once."""

    def __init__(self, url: str, client_id: str, client_secret: str):
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT, verify=ssl.create_default_context())
        self._form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "audience": url + "/api/v2/",
        }
        self._lock = threading.Lock()
        self._token, self._until = None, 0.0

    def check(self, token: str, *, ip=None, user_agent=None, acr=None, touch=True) -> dict:
        """Ask about a session token: {"good": True, "user_id", "session_id", ...} or
        {"good": False, "challenge"}. touch=False records no use."""
        body = {"token": token, "device": _device(ip, user_agent), "touch": touch}
        if acr:
            body["acr"] = acr
        return self._call("/v1/check", body).json()

    def sign_in(self, user_id: str, methods: list, *, ip=None, user_agent=None, replaces=None) -> str:
        """Make a session, and return the value of Set-Cookie. replaces is the token that the
        browser held before, if it held one."""
        body = {"user_id": user_id, "authentication": {"methods": methods}, "device": _device(ip, user_agent)}
        if replaces:
            body["replaces"] = replaces
        # The key makes it safe to repeat a call whose answer was lost.
        return self._call("/v1/sessions", body, {"Idempotency-Key": str(uuid.uuid4())}).headers["set-cookie"]

    def sign_out(self, token: str) -> str | None:
        """End a session by its own token, and return the value of Set-Cookie that makes the
        browser forget it; None when the session was over already."""
        answer = self._send("/v1/sessions/end", token)
        return None if answer.status_code == 401 else _good(answer).headers["set-cookie"]

    def _call(self, path: str, body: dict, headers: dict | None = None) -> httpx.Response:
        token = self._management_token()
        answer = self._send(path, token, headers, json=body)
        if answer.status_code == 401:  # it is not accepted any more: once more with a new one
            answer = self._send(path, self._management_token(instead_of=token), headers, json=body)
        return _good(answer)

    def _management_token(self, instead_of: str | None = None) -> str:
        with self._lock:
            if self._token in (None, instead_of) or time.monotonic() >= self._until:
                said = _good(self._send("/oauth/token", data=self._form)).json()
                self._token, self._until = said["access_token"], time.monotonic() + said["expires_in"] - 60
            return self._token

    def _send(self, path: str, token: str | None = None, headers: dict | None = None, **body) -> httpx.Response:
        headers = dict(headers or {})
        if token:
            headers["Authorization"] = "Bearer " + token
        try:
            return self._http.post(path, headers=headers, **body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unknown(f"{path}: no answer") from error


def _good(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise Unknown(f"the session server answers {answer.status_code}: {answer.text[:300]}")
    return answer
