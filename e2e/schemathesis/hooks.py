"""What the fuzzer cannot read in the reference: who asks, and what excludes one another."""

import os

import requests
import schemathesis
from schemathesis.core import NotSet

ORIGIN = os.environ["ROLLCALL_HTTP"]
MANAGEMENT = {"Authorization": "Bearer " + os.environ["MANAGEMENT_TOKEN"]}
OWN_TOKEN = r"^/v1/me/|^/v1/sessions/end$|^/check"


@schemathesis.auth(refresh_interval=None).apply_to(path_regex=OWN_TOKEN)
class SessionToken:
    """A session of its own for each call: some of the calls end it."""

    def get(self, case, context):
        body = {"user_id": "auth0|fuzzed", "authentication": {"methods": [{"name": "pwd"}]}}
        answer = requests.post(ORIGIN + "/v1/sessions", json=body, headers=MANAGEMENT, timeout=10)
        answer.raise_for_status()
        return answer.json()["token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = "Bearer " + data


@schemathesis.auth(refresh_interval=None).skip_for(path_regex=OWN_TOKEN + "|^/oauth/")
class ManagementToken:
    def get(self, case, context):
        return MANAGEMENT

    def set(self, case, data, context):
        case.headers.update(data)


@schemathesis.hook
def map_case(context, case):
    # An id and an Idempotency-Key exclude one another: both make a creation repeatable.
    if case.operation.label == "POST /v1/sessions" and isinstance(case.body, dict) and case.body.get("id"):
        case.headers.pop("Idempotency-Key", None)
    # Secrets cannot be guessed.
    if case.operation.label == "POST /oauth/token" and isinstance(case.body, dict) and "client_secret" in case.body:
        case.body["client_id"] = os.environ["ROLLCALL_CLIENT_ID"]
        case.body["client_secret"] = os.environ["ROLLCALL_CLIENT_SECRET"]
    # A client proves itself in one way: here by its secret.
    if case.operation.label in ("POST /oauth/introspect", "POST /oauth/revoke") and isinstance(case.body, dict):
        for name in ("client_assertion", "client_assertion_type"):
            case.body.pop(name, None)
    return case


@schemathesis.hook
def before_call(context, case, kwargs):
    # A log-out reads its body when there is no token.
    if case.operation.label == "POST /v1/sessions/end" and not isinstance(case.body, NotSet):
        case.headers.pop("Authorization", None)
