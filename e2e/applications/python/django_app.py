"""A Django application whose sessions are Rollcall's, in one file.

Run it by a WSGI server, such as gunicorn django_app:application. "python django_app.py
runserver" is for a try alone: it trims more of a header than HTTP allows, so that a cookie
with a look-alike name may pass for the session's.
"""

import ipaddress
import os
import sys

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import path

from rollcall import Rollcall, Unknown, session_token

sessions = Rollcall(os.environ["SESSIONS_URL"], os.environ["SESSIONS_CLIENT_ID"], os.environ["SESSIONS_CLIENT_SECRET"])
# The server's cookie_domain decides the name: with one it is __Secure-rollcall.
COOKIE = "__Host-rollcall"
FORGET = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
ORIGIN = os.environ["APP_ORIGIN"]  # this application's own, such as https://app.example.com
# The proxies in front of this application, and no others.
PROXIES = {ipaddress.ip_address(text) for text in os.environ.get("TRUSTED_PROXIES", "").split()}


def token_of(request) -> str | None:
    return session_token(request.META.get("HTTP_COOKIE", ""), COOKIE)


def user_of(request) -> dict:
    """Where the user is: the last address that is no proxy's. What stands further to the
    left is the user's own invention."""
    hops = [request.META["REMOTE_ADDR"]]
    hops += reversed([hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()])
    ip = None
    for hop in hops:
        try:
            address = ipaddress.ip_address(hop)
        except ValueError:
            ip = None
            break
        ip = str(address)
        if address not in PROXIES:
            break
    return {"ip": ip, "user_agent": request.META.get("HTTP_USER_AGENT")}


def signed_in(acr: str | None = None, touch: bool = True):
    """Let only those pass who are signed in, well enough for acr. touch=False is for
    requests that no person makes."""

    def decorate(view):
        def checked(request):
            token = token_of(request)
            verdict = {"good": False, "challenge": "Bearer"}
            if token:
                verdict = sessions.check(token, acr=acr, touch=touch, **user_of(request))
            if verdict["good"]:
                request.session = verdict
                response = view(request)
            else:
                response = HttpResponse("Please sign in.\n", status=401)
                response["WWW-Authenticate"] = verdict["challenge"]
            response["Cache-Control"] = "no-store"
            return response

        return checked

    return decorate


class Middleware:
    """Keeps other origins from changing anything, and answers when nobody knows."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if request.method not in ("GET", "HEAD", "OPTIONS") and request.META.get("HTTP_ORIGIN") != ORIGIN:
            return HttpResponse("This request comes from another origin.\n", status=403)
        return self.get_response(request)

    def process_exception(self, _, error):
        """When the session server cannot say, nobody passes: not for somebody, and not for
        nobody."""
        if not isinstance(error, Unknown):
            return None
        print(error, error.__cause__ or "", flush=True)
        headers = {"Retry-After": "1"}
        return HttpResponse("Nobody can say who is signed in. Please try again.\n", status=503, headers=headers)


def with_cookie(response, cookie: str):
    """The server's Set-Cookie goes to the browser as it is."""
    response["Set-Cookie"] = cookie
    response["Cache-Control"] = "no-store"
    return response


def hello(_):
    return HttpResponse("Hello.\n")


@signed_in()
def account(request):
    return HttpResponse(request.session["user_id"] + "\n")


@signed_in(touch=False)
def news(_):
    """A page asks here by itself, every few seconds: that keeps nobody signed in."""
    return HttpResponse("No news.\n")


@signed_in(acr="aal2")
def payout(_):
    return HttpResponse("Paid.\n")


def login(request):
    if request.POST.get("password") != os.environ["DEMO_PASSWORD"]:  # here goes your own way to know people
        return HttpResponse("That is not the password.\n", status=403)
    cookie = sessions.sign_in(request.POST["user"], [{"name": "pwd"}], replaces=token_of(request), **user_of(request))
    return with_cookie(HttpResponseRedirect("/account", status=303), cookie)


def logout(request):
    token = token_of(request)
    cookie = sessions.sign_out(token) if token else None  # fails when the session may go on: then the cookie stays
    return with_cookie(HttpResponseRedirect("/", status=303), cookie or FORGET)


def post(view):
    return lambda request: view(request) if request.method == "POST" else HttpResponse("", status=405, headers={"Allow": "POST"})


urlpatterns = [
    path("", hello),
    path("account", account),
    path("account/news", news),
    path("payout", payout),
    path("login", post(login)),
    path("logout", post(logout)),
]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=[ORIGIN.split("://", 1)[1].split(":", 1)[0]],
    MIDDLEWARE=[__name__ + ".Middleware"],
    SECRET_KEY=os.environ.get("DJANGO_SECRET_KEY", "signs nothing here"),
)
django.setup()
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
