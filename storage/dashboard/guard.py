"""Who may ask, for what, and how much: looked at before any of the dashboard's own code runs.

A page of another site that the curator has open must not reach the store through the browser:
addresses are checked (DNS rebinding), writes must come from our own pages, answers cannot be
framed, read or guessed at from elsewhere.
"""

import hashlib
import hmac
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from storage.dashboard.settings import BODY_BYTES, Settings, is_loopback
from storage.dashboard.strict_json import StrictJson

NOT_LET_IN = "a token is needed: open the address with ?token=... once"
SAFE_METHODS = ("GET", "HEAD")
METHODS = (*SAFE_METHODS, "POST", "DELETE")
CSP = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware: refuses, or adds the headers that every answer has."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._cookie = f"crossdiff-{settings.port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets here
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    # The package's own files may be kept and asked about; what is in a store not.
                    own = scope["path"].startswith("/static/")
                    headers["Cache-Control"] = "no-cache" if own else "no-store"
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        body = await _whole_body(scope, receive)
        if body is None:
            too_large = _no(413, f"a request has at most {BODY_BYTES:,} bytes")
            await too_large(scope, receive, send_guarded)
            return
        await self._app(scope, _replayed(body, receive), send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if not self._is_our_name(headers.get("host", "")):
            return _no(421, "this name is not the dashboard's: open the address it printed")
        if scope["method"] not in METHODS:
            return _no(405, "the dashboard does not know this method")
        token = self._token_refusal(scope, headers)
        if token is not None:
            return token
        if scope["path"].startswith("/api/") and _from_elsewhere(headers):
            return _no(403, "another site may not ask the dashboard")
        if scope["method"] in SAFE_METHODS:
            return None
        return self._write_refusal(scope, headers)

    def _write_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        # A browser's own word counts first: behind a proxy the page's address is not the one here.
        ours = site == "same-origin"
        if origin is not None:
            ours = ours or origin == f"{scope['scheme']}://{headers['host']}"
        else:
            ours = ours or self._has_bearer(headers)
        if not ours:
            return _no(403, "only the dashboard's own pages may write")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return _no(415, "send JSON, with Content-Type: application/json")
        return None

    def _is_our_name(self, host: str) -> bool:
        """Without a token this machine's alone count: any other may be rebound to it.

        A token answers for itself: no other name has our cookie, and a proxy has its own name.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if self._settings.token is not None:
            return name != ""
        return is_loopback(name)

    def _token_refusal(self, scope: Scope, headers: Headers) -> Response | None:
        token = self._settings.token
        if token is None:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        offered = [value for name, value in query if name == "token"]
        if offered and scope["method"] == "GET" and _same(offered[-1], token):
            return self._remembering(scope, [(n, v) for n, v in query if n != "token"], token)
        if self._has_bearer(headers) or _same(_cookie(scope, self._cookie), _session(token)):
            return None
        if scope["path"] == "/":
            return PlainTextResponse(f"{NOT_LET_IN}\n", 401)
        return _no(401, NOT_LET_IN)

    def _has_bearer(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        token = self._settings.token
        return token is not None and kind.lower() == "bearer" and _same(given.strip(), token)

    def _remembering(self, scope: Scope, rest: list[tuple[str, str]], token: str) -> Response:
        """To the same page without the token in its address, with a cookie instead."""
        # One slash: //name would lead to another machine.
        path = "/" + scope["path"].lstrip("/")
        query = f"?{urlencode(rest)}" if rest else ""
        answer = RedirectResponse(f"{path}{query}", 303)
        answer.set_cookie(
            self._cookie,
            _session(token),
            httponly=True,
            samesite="strict",
            secure=scope["scheme"] == "https",
        )
        return answer


def _no(status: int, sentence: str) -> Response:
    return StrictJson({"error": sentence}, status)


def _from_elsewhere(headers: Headers) -> bool:
    return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _session(token: str) -> str:
    """What the cookie holds: it opens the dashboard, and does not tell the token."""
    return hmac.new(token.encode(), b"crossdiff dashboard", hashlib.sha256).hexdigest()


def _cookie(scope: Scope, name: str) -> str:
    """One cookie, read as browsers write them: others of this host may be of any form."""
    return HTTPConnection(scope).cookies.get(name, "")


async def _whole_body(scope: Scope, receive: Receive) -> bytes | None:
    """The body of a write; None: it is too large. Reads have none that anybody looks at."""
    if scope["method"] in SAFE_METHODS:
        return b""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(parts)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
