"""Pictures and films by a motion's id alone: no path ever comes from outside."""

import asyncio
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from storage.dashboard.films import Films
from storage.dashboard.media_cache import MediaCache
from storage.dashboard.pictures import FORGET_S, Picture, Pictures
from storage.dashboard.records import find_record, require_row
from storage.dashboard.settings import MOTION_CHARS
from storage.dashboard.source_check import SourceCheck
from storage.dashboard.state import LiveStore

AT_ONCE = 2
"""Pictures made at the same time; more would only take the processor from each other."""
GONE_AWAY = 499
KEEP_FILM = "private, max-age=3600"

MotionId = Annotated[str, Query(min_length=1, max_length=MOTION_CHARS)]


def media_routes(live: LiveStore, cache: MediaCache) -> APIRouter:
    """`/api/thumb` and `/api/video`."""
    router = APIRouter(prefix="/api")
    sources = SourceCheck()
    pictures, films = Pictures(cache, sources), Films(cache, sources)
    turns, film_turn = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(1)

    @router.get("/thumb")
    async def thumb(request: Request, id: MotionId) -> Response:
        row = await run_in_threadpool(require_row, live, id)
        picture = await run_in_threadpool(pictures.known, row)
        if picture is None:
            async with turns:
                if await request.is_disconnected():  # scrolled by: do not draw what nobody sees
                    return Response(status_code=GONE_AWAY)
                picture = await run_in_threadpool(pictures.make, row, lambda: find_record(live, id))
        return _picture(request, picture)

    @router.get("/video")
    async def video(request: Request, id: MotionId) -> Response:
        record = await run_in_threadpool(find_record, live, id)
        film = await run_in_threadpool(films.known, record)
        if film is None:
            async with film_turn:  # who waits here holds no thread that others need
                if await request.is_disconnected():
                    return Response(status_code=GONE_AWAY)
                film = await run_in_threadpool(films.make, record)
        return _kept(request, film, "video/mp4", {"Cache-Control": KEEP_FILM})

    return router


def _picture(request: Request, picture: Picture) -> Response:
    keep = f"private, max-age={FORGET_S[picture.shows]}"
    headers = {"Cache-Control": keep, "X-Thumb": picture.shows}
    return _kept(request, picture.file, "image/jpeg", headers)


def _kept(request: Request, file: Path, kind: str, headers: dict[str, str]) -> Response:
    """A file of the cache. Its name says what it was made from, so it is its tag."""
    tag = f'"{file.stem}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag, **headers})
    return FileResponse(file, media_type=kind, headers={"ETag": tag, **headers})
