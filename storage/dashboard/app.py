"""The dashboard as a web application: its addresses, and how what goes wrong is told."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from pipeline.reasons import PipelineError
from storage.dashboard.ask_routes import ask_routes
from storage.dashboard.asking import AskRefused, MotionMaker, UnknownJob
from storage.dashboard.films import NoFilm
from storage.dashboard.guard import Guard
from storage.dashboard.light_copies import LightCopies
from storage.dashboard.media_cache import MediaCache
from storage.dashboard.media_routes import media_routes
from storage.dashboard.routes import read_routes, write_routes
from storage.dashboard.settings import Settings
from storage.dashboard.state import LiveStore, StillLoading
from storage.dashboard.strict_json import StrictJson
from storage.errors import StoreError, StoreUnreachable, UnknownMotion
from storage.store import Store

STATIC = Path(__file__).parent / "static"
LOADING = "the store is being read for the first time: ask again in a moment"
BROKEN = "the dashboard failed at this: its terminal says more"
SAID_LENGTH = 300

_STATUS: dict[type[Exception], int] = {
    UnknownMotion: 404,
    NoFilm: 404,
    UnknownJob: 404,
    AskRefused: 409,
    StoreUnreachable: 503,
    StoreError: 500,
    PipelineError: 422,
    ValueError: 422,
    OSError: 500,
}


def create_app(store: Store, settings: Settings, maker: MotionMaker | None = None) -> FastAPI:
    """The dashboard of a store.

    Args:
        store: An opened store, at its newest version or held at one.
        settings: Address, token, names.
        maker: Makes motions from sentences; None: nobody can be asked.
    """
    cache = MediaCache(settings.cache, settings.cache_bytes)
    live = LiveStore(store, settings.check_every_s, LightCopies(cache))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        live.start()
        try:
            yield
        finally:
            live.close()
            if maker is not None:
                maker.close()

    app = FastAPI(
        title="CrossDiff",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=StrictJson,
    )
    app.include_router(read_routes(live, settings, maker))
    app.include_router(write_routes(live, settings))
    app.include_router(media_routes(live, cache))
    app.include_router(ask_routes(maker))
    app.add_api_route("/", _index, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC, follow_symlink=False))
    _tell_plainly(app)
    app.add_middleware(Guard, settings=settings)
    return app


def _index() -> Response:
    return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})


def _tell_plainly(app: FastAPI) -> None:
    """Every failure as one sentence in JSON, never a traceback."""
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _teller(status))
    app.add_exception_handler(StillLoading, _loading)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _broken)


def _teller(status: int) -> Callable[[Request, Exception], Response]:
    def tell(_: Request, error: Exception) -> Response:
        said = error.detail if isinstance(error, PipelineError) else str(error)
        if isinstance(error, OSError):
            said = f"cannot use {error.filename}: {error.strerror}"
        return StrictJson({"error": " ".join(said.split()) or type(error).__name__}, status)

    return tell


def _loading(_: Request, __: Exception) -> Response:
    return StrictJson({"error": LOADING, "loading": True}, 503, {"Retry-After": "1"})


def _wrong_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        return StrictJson({"error": BROKEN}, 500)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("query", "body", "path"))
    said = str(first["msg"]).removeprefix("Value error, ")
    text = f"{where}: {said}" if where else said
    return StrictJson({"error": text[:SAID_LENGTH]}, 422)


def _http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    said = error.detail if isinstance(error, HTTPException) else BROKEN
    return StrictJson({"error": str(said)}, status)


def _broken(request: Request, error: Exception) -> Response:
    print(f"crossdiff: {request.url.path} failed: {error!r}", file=sys.stderr)
    return StrictJson({"error": BROKEN}, 500)
