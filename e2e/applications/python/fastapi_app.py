"""A FastAPI application whose sessions are Rollcall's.

Run: uvicorn fastapi_app:app --proxy-headers --forwarded-allow-ips ADDRESSES, where the
addresses are those of the proxies in front of this application, and no others.
"""

import os
from typing import Annotated

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import PlainTextResponse, RedirectResponse

from rollcall import Rollcall, Unknown, session_token

sessions = Rollcall(os.environ["SESSIONS_URL"], os.environ["SESSIONS_CLIENT_ID"], os.environ["SESSIONS_CLIENT_SECRET"])
# The server's cookie_domain decides the name: with one it is __Secure-rollcall.
COOKIE = "__Host-rollcall"
FORGET = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
ORIGIN = os.environ["APP_ORIGIN"]  # this application's own, such as https://app.example.com

app = FastAPI()


def token_of(request: Request) -> str | None:
    return session_token("; ".join(request.headers.getlist("cookie")), COOKIE)


def user_of(request: Request) -> dict:
    """Where the user is, as the session server is told."""
    return {"ip": request.client.host if request.client else None, "user_agent": request.headers.get("user-agent")}


def signed_in(acr: str | None = None, touch: bool = True):
    """Let only those pass who are signed in, well enough for acr. touch=False is for
    requests that no person makes."""

    def check(request: Request) -> dict:
        token = token_of(request)
        verdict = {"good": False, "challenge": "Bearer"}
        if token:
            verdict = sessions.check(token, acr=acr, touch=touch, **user_of(request))
        if not verdict["good"]:
            headers = {"WWW-Authenticate": verdict["challenge"], "Cache-Control": "no-store"}
            raise HTTPException(401, "Please sign in.", headers)
        return verdict

    return Depends(check)


def same_origin(request: Request) -> None:
    """Let only pages of this application change something."""
    if request.headers.get("origin") != ORIGIN:
        raise HTTPException(403, "This request comes from another origin.")


@app.exception_handler(Unknown)
def unknown(_: Request, error: Unknown):
    """When the session server cannot say, nobody passes: not for somebody, and not for
    nobody."""
    print(error, error.__cause__ or "", flush=True)
    return PlainTextResponse("Nobody can say who is signed in. Please try again.\n", 503, {"Retry-After": "1"})


@app.get("/")
def hello():
    return PlainTextResponse("Hello.\n")


@app.get("/account")
def account(session: Annotated[dict, signed_in()]):
    return PlainTextResponse(session["user_id"] + "\n", headers={"Cache-Control": "no-store"})


@app.get("/account/news")
def news(_: Annotated[dict, signed_in(touch=False)]):
    """A page asks here by itself, every few seconds: that keeps nobody signed in."""
    return PlainTextResponse("No news.\n", headers={"Cache-Control": "no-store"})


@app.get("/payout")
def payout(_: Annotated[dict, signed_in(acr="aal2")]):
    return PlainTextResponse("Paid.\n", headers={"Cache-Control": "no-store"})


@app.post("/login", dependencies=[Depends(same_origin)])
def login(request: Request, user: Annotated[str, Form()], password: Annotated[str, Form()]):
    if password != os.environ["DEMO_PASSWORD"]:  # here goes your own way to know people
        raise HTTPException(403, "That is not the password.")
    cookie = sessions.sign_in(user, [{"name": "pwd"}], replaces=token_of(request), **user_of(request))
    return RedirectResponse("/account", 303, {"Set-Cookie": cookie, "Cache-Control": "no-store"})


@app.post("/logout", dependencies=[Depends(same_origin)])
def logout(request: Request):
    token = token_of(request)
    cookie = sessions.sign_out(token) if token else None  # fails when the session may go on: then the cookie stays
    return RedirectResponse("/", 303, {"Set-Cookie": cookie or FORGET, "Cache-Control": "no-store"})
