"""What auth0-python must find here, unmodified, over https with the local CA.

Prints one JSON line for each call: the words of the page of compatibility and either
the result or what went wrong. The server, the callers and the proxies that fail the
first request are named in the environment.
"""

import base64
import json
import os
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import httpx
from auth0.management import ManagementClient
from auth0.management.core.api_error import ApiError
from auth0.management.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    TooManyRequestsError,
    UnauthorizedError,
)

DOMAIN = os.environ["ROLLCALL_DOMAIN"]
CREDENTIALS = {"client_id": os.environ["ROLLCALL_CLIENT_ID"], "client_secret": os.environ["ROLLCALL_CLIENT_SECRET"]}
PROXIES = json.loads(os.environ["ROLLCALL_PROXIES"])
MANY = json.loads(open(os.environ["ROLLCALL_MANY"], encoding="utf-8").read())

client = ManagementClient(domain=DOMAIN, **CREDENTIALS)
http = httpx.Client(base_url=f"https://{DOMAIN}")
TOKEN = http.post("/oauth/token", data={"grant_type": "client_credentials", **CREDENTIALS}).json()["access_token"]

rows = []


def row(call):
    def keep(act):
        rows.append((call, act))
        return act

    return keep


def through(name):
    return ManagementClient(domain=PROXIES[name], token=TOKEN)


def sign_in(user_id):
    answer = http.post(
        "/v1/sessions",
        headers={"Authorization": f"Bearer {TOKEN}"},
        json={
            "user_id": user_id,
            "client_id": "shop",
            "authentication": {"methods": [{"name": "pwd"}, {"name": "mfa", "type": "otp"}]},
            "device": {"ip": "192.0.2.1", "user_agent": "Mozilla/5.0"},
            "session_metadata": {"device-name": "Ada's <laptop> & more"},
        },
    )
    assert answer.status_code == 201, answer.text
    return answer.json()


def accepted(token):
    return http.get("/check", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def plain(session):
    """The session as the wire has it."""

    def text(value):
        assert value.tzinfo is not None
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    values = session.model_dump(exclude_unset=True)
    for method in values["authentication"]["methods"]:
        if isinstance(method["timestamp"], datetime):
            method["timestamp"] = text(method["timestamp"])
    return {name: text(value) if isinstance(value, datetime) else value for name, value in values.items()}


def refused(call, kind, status, **body):
    try:
        call()
    except ApiError as error:
        assert type(error) is kind, type(error)
        assert error.status_code == status, error.status_code
        for name, value in body.items():
            assert error.body.get(name) == value, error.body
        return kind.__name__
    raise AssertionError("nothing was raised")


@row("token by client credentials")
def _():
    page = client.users.sessions.list("auth0|nobody")
    assert page.items == [] and not page.has_next


@row("list a user's sessions")
def _():
    made = sign_in("auth0|fields of python")["session"]
    page = client.users.sessions.list("auth0|fields of python")
    assert [plain(session) for session in page.items] == [made], (page.items, made)
    assert page.response.total == 1


def list_many(take):
    def act():
        seen, pages = [], 0
        for page in client.users.sessions.list("auth0|many", take=take).iter_pages():
            pages += 1
            assert pages <= len(MANY), "the pages do not end"
            seen += page.items
        assert pages == -(-len(MANY) // take)
        assert sorted(session.id for session in seen) == MANY
        assert all(
            a.created_at > b.created_at or (a.created_at == b.created_at and a.id < b.id) for a, b in zip(seen, seen[1:])
        )

    return act


for count in (7, 50, 100):
    row(f"list 1,234 sessions, {count} a page")(list_many(count))


@row("list, default page")
def _():
    page = client.users.sessions.list("auth0|many")
    assert len(page.items) == 50 and page.has_next
    return "50"


@row("list, the client's own iterator")
def _():
    assert len({session.id for session in client.users.sessions.list("auth0|many", take=100)}) == len(MANY)


@row("list with include_totals")
def _():
    assert client.users.sessions.list("auth0|many", take=1, include_totals=True).response.total == len(MANY)
    page = client.users.sessions.list("auth0|many", take=1, include_totals=False)
    assert len(page.items) == 1 and getattr(page.response, "total", None) is None


@row("user ids with slashes, bars, spaces, percent signs")
def _():
    for user_id in ("auth0|a/b c", "oauth2|x|y", "plain", "auth0|50%25|%7C", "auth0|ünï/日本", "auth0|a+b?c#d"):
        user_id += " python"
        made = sign_in(user_id)["session"]
        assert [(s.id, s.user_id) for s in client.users.sessions.list(user_id).items] == [(made["id"], user_id)]
        client.users.sessions.delete(user_id)
        assert client.users.sessions.list(user_id).items == []


@row("get")
def _():
    made = sign_in("auth0|get of python")["session"]
    assert plain(client.sessions.get(made["id"])) == made


@row("update")
def _():
    made = sign_in("auth0|update of python")["session"]
    updated = client.sessions.update(made["id"], session_metadata={"a": "1", "b": "2"})
    assert updated.session_metadata == {"a": "1", "b": "2"}
    replaced = client.sessions.update(made["id"], session_metadata={"c": "3"})
    assert replaced.session_metadata == {"c": "3"}
    assert plain(client.sessions.get(made["id"])) == plain(replaced)
    assert client.sessions.update(made["id"], session_metadata=None).session_metadata == {}


@row("list after a check")
def _():
    made = sign_in("auth0|checked of python")
    assert accepted(made["token"])
    (session,) = client.users.sessions.list("auth0|checked of python").items
    assert session.device.last_ip == "127.0.0.1" and session.device.initial_ip == "192.0.2.1"
    return "shows it"


def ending(name, end, again):
    @row(name)
    def _():
        made = sign_in(f"auth0|{name} of python")
        assert accepted(made["token"])
        assert end(made["session"]).status_code == 202
        assert not accepted(made["token"])
        assert client.users.sessions.list(made["session"]["user_id"]).items == []
        refused(lambda: client.sessions.get(made["session"]["id"]), NotFoundError, 404)
        again(lambda: end(made["session"]))


def is_accepted(call):
    assert call().status_code == 202


class Answer:
    """A call's answer, with its status beside it."""

    def __init__(self, answer):
        self.status_code = answer._response.status_code


ending("delete", lambda s: Answer(client.sessions.with_raw_response.delete(s["id"])), is_accepted)
ending("revoke", lambda s: Answer(client.sessions.with_raw_response.revoke(s["id"])), lambda call: refused(call, NotFoundError, 404))
ending("delete all", lambda s: Answer(client.users.sessions.with_raw_response.delete(s["user_id"])), is_accepted)


@row("delete of an unknown session")
def _():
    client.sessions.delete("unknown-session-0000")
    return "accepted"


@row("400 to update")
def _():
    made = sign_in("auth0|bad of python")["session"]
    return refused(
        lambda: client.sessions.update(made["id"]), BadRequestError, 400,
        errorCode="invalid_body", message="Payload validation error: 'Too few properties defined (0), minimum 1'.",
    )


@row("400 to revoke")
def _():
    return refused(lambda: client.sessions.revoke("x" * 51), BadRequestError, 400, errorCode="invalid_uri")


@row("404 to revoke")
def _():
    return refused(lambda: client.sessions.revoke("unknown-session-0000"), NotFoundError, 404, errorCode="inexistent_session")


@row("400 to list")
def _():
    return refused(lambda: client.users.sessions.list("auth0|bad", take=101), ApiError, 400, errorCode="invalid_query_string")


@row("400 to delete all")
def _():
    return refused(lambda: client.users.sessions.delete(" "), BadRequestError, 400, errorCode="invalid_uri")


@row("401")
def _():
    header, payload, signature = TOKEN.split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[0] ^= 1
    forged = ".".join((header, payload, base64.urlsafe_b64encode(raw).decode().rstrip("=")))
    message = "Invalid signature received for JSON Web Token validation"
    stranger = ManagementClient(domain=DOMAIN, token=forged)
    return refused(lambda: stranger.sessions.get("x"), UnauthorizedError, 401, message=message, attributes={"error": message})


@row("403")
def _():
    reader = ManagementClient(domain=DOMAIN, client_id="reader", client_secret=os.environ["ROLLCALL_READER_SECRET"])
    return refused(
        lambda: reader.sessions.delete("x"), ForbiddenError, 403,
        errorCode="insufficient_scope", message="Insufficient scope, expected any of: delete:sessions",
    )


@row("404 to get")
def _():
    return refused(
        lambda: client.sessions.get("unknown-session-0000"), NotFoundError, 404,
        errorCode="inexistent_session", message="The session does not exist.",
    )


@row("404 to get, without an id")
def _():
    return refused(lambda: client.sessions.get(""), NotFoundError, 404, message="Not Found")


@row("404 to delete, without an id")
def _():
    return refused(lambda: client.sessions.delete(""), ApiError, 404, message="Not Found")


@row("wrong client secret")
def _():
    wrong = ManagementClient(domain=DOMAIN, client_id=CREDENTIALS["client_id"], client_secret="wrong")
    for _ in range(45):  # wrong secrets are limited by address, which all clients here have in common
        try:
            wrong.sessions.get("x")
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 429:
                time.sleep(2)
                continue
            assert error.response.status_code == 401
            assert error.response.json() == {"error": "access_denied", "error_description": "Unauthorized"}
            return "HTTPStatusError"
    raise AssertionError("nothing was raised")


@row("429 with Retry-After")
def _():
    made = sign_in("auth0|retries of python")["session"]
    assert plain(through("retryAfter").sessions.get(made["id"])) == made
    return "tried again, not before"


@row("429 with X-RateLimit-Reset alone")
def _():
    made = sign_in("auth0|retries of python")["session"]
    assert plain(through("reset").sessions.get(made["id"])) == made
    return "tried again, not before"


@row("429 for good")
def _():
    return refused(lambda: through("refusing").sessions.get("x"), TooManyRequestsError, 429) + " after 3 tries"


@row("409 from a proxy")
def _():
    return refused(lambda: through("conflicting").sessions.get("x"), ApiError, 409) + " after 3 tries"


@row("503 for good")
def _():
    return refused(lambda: through("failing").sessions.get("x"), ApiError, 503) + " after 3 tries"


@row("delete, first answer lost")
def _():
    made = sign_in("auth0|lost delete of python")
    through("lostDelete").sessions.delete(made["session"]["id"])
    assert not accepted(made["token"])
    return "accepted"


@row("update, first answer lost")
def _():
    made = sign_in("auth0|lost update of python")["session"]
    updated = through("lostUpdate").sessions.update(made["id"], session_metadata={"a": "1"})
    assert updated.session_metadata == {"a": "1"}
    return "the updated session"


@row("revoke, first answer lost")
def _():
    made = sign_in("auth0|lost revoke of python")
    name = refused(lambda: through("lostRevoke").sessions.revoke(made["session"]["id"]), NotFoundError, 404)
    assert not accepted(made["token"])
    return f"{name}, and it is over"


def outcome(pair):
    call, act = pair
    try:
        return {"call": call, "result": act() or "works"}
    except Exception:
        return {"call": call, "error": traceback.format_exc()}


# Side by side, since most of the time goes into waiting before the next try.
with ThreadPoolExecutor(max_workers=8) as pool:
    for line in pool.map(outcome, rows):
        print(json.dumps(line), flush=True)
