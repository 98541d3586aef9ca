"""The dashboard's addresses that read the tables, and those that write decisions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from storage.dashboard.asking import MotionMaker
from storage.dashboard.browsing import facets, failures, motions_page, shown_of
from storage.dashboard.deciding import decide, told_history, undo
from storage.dashboard.filters import MotionFilter, Order, Page
from storage.dashboard.looking import look
from storage.dashboard.motion_arrays import arrays_of
from storage.dashboard.overview import overview, runs_of, versions_of
from storage.dashboard.records import find_record
from storage.dashboard.settings import (
    ASK_CHARS,
    ASK_SECONDS,
    BULK,
    CAPTION_CHARS,
    CAPTIONS,
    ID_CHARS,
    MOTION_CHARS,
    NAME_CHARS,
    NOTE_CHARS,
    PAGE_ROWS,
    SEARCH_CHARS,
    Settings,
)
from storage.dashboard.source_check import SourceCheck
from storage.dashboard.state import LiveStore
from storage.dashboard.strict_json import StrictJson
from storage.decisions import Verdict

LARGEST_OFFSET = 2**31
ACTIVITY = 200
"""Newest decisions shown at most."""
LIMITS = {
    "caption_chars": CAPTION_CHARS,
    "captions": CAPTIONS,
    "motion_chars": MOTION_CHARS,
    "note_chars": NOTE_CHARS,
    "by_chars": NAME_CHARS,
    "bulk": BULK,
    "page_rows": PAGE_ROWS,
    "search_chars": SEARCH_CHARS,
    "ask_seconds": ASK_SECONDS,
    "ask_chars": ASK_CHARS,
}

Word = Annotated[str | None, Query(max_length=ID_CHARS)]
Number = Annotated[float | None, Query(allow_inf_nan=False)]
MotionId = Annotated[str, Query(min_length=1, max_length=MOTION_CHARS)]
Version = Annotated[int | None, Query(ge=0)]
Offset = Annotated[int, Query(ge=0, le=LARGEST_OFFSET)]


class DecisionsBody(BaseModel):
    """What a curator says of motions."""

    model_config = ConfigDict(extra="forbid", strict=True)

    motion_ids: list[Annotated[str, Field(max_length=MOTION_CHARS)]] = Field(
        min_length=1, max_length=BULK
    )
    verdict: Verdict | None = None
    captions: list[Annotated[str, Field(max_length=CAPTION_CHARS)]] | None = Field(
        None, max_length=CAPTIONS
    )
    split: str | None = Field(None, max_length=ID_CHARS)
    note: str | None = Field(None, max_length=NOTE_CHARS)
    by: str | None = Field(None, max_length=NAME_CHARS)
    seen: dict[str, str | None] = Field(default_factory=dict, max_length=BULK)
    again: bool = False
    """Sent once more, because no answer came: what was recorded then is not recorded twice."""


class UndoBody(BaseModel):
    """Which decisions to take back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    decision_ids: list[Annotated[str, Field(max_length=ID_CHARS)]] = Field(
        min_length=1, max_length=BULK
    )
    by: str | None = Field(None, max_length=NAME_CHARS)


def read_routes(live: LiveStore, settings: Settings, maker: MotionMaker | None) -> APIRouter:
    """Addresses that change nothing."""
    router = APIRouter(prefix="/api")
    sources = SourceCheck()

    @router.get("/store")
    def read_store() -> Response:
        about = None if maker is None else maker.about()
        told = {
            "url": str(live.store.location),
            "title": str(live.store.location).rstrip("/").rpartition("/")[2],
            "by": settings.by,
            "readonly": live.readonly,
            "loading": live.loading,
            "limits": LIMITS,
            "model": {
                "available": about is not None and about.available,
                "name": about.name if about else "",
                "note": about.note if about else "no model was given",
            },
        }
        if live.loading:
            none: dict[str, Any] = {"version": None, "decisions_version": None, "datasets": []}
            return StrictJson(told | none)
        return StrictJson(told | _versions(live) | {"datasets": _dataset_names(live)})

    @router.get("/overview")
    def read_overview(dataset: Word = None) -> Response:
        with live.cursor() as cursor:
            counted = overview(cursor, dataset)
        shown = live.light().version.videos
        told = {"versions": versions_of(live.store, shown), "runs": runs_of(live.store, dataset)}
        return StrictJson(counted | told)

    @router.get("/facets")
    def read_facets(dataset: Word = None) -> Response:
        with live.cursor() as cursor:
            return StrictJson(facets(cursor, dataset))

    @router.get("/motions")
    def read_motions(  # the filters of a page, each a parameter of its own
        dataset: Word = None,
        action: Word = None,
        split: Word = None,
        source_kind: Word = None,
        view: Word = None,
        visible: Word = None,
        verdict: Word = None,
        min_score: Number = None,
        max_score: Number = None,
        min_reprojection: Number = None,
        max_reprojection: Number = None,
        min_seconds: Number = None,
        max_seconds: Number = None,
        min_skating: Number = None,
        max_skating: Number = None,
        min_coverage: Number = None,
        max_coverage: Number = None,
        q: Word = None,
        sort: str = "motion_id",
        order: Order = "asc",
        offset: Offset = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_ROWS)] = PAGE_ROWS,
    ) -> Response:
        wanted = MotionFilter(
            dataset=dataset,
            action=action,
            split=split,
            source_kind=source_kind,
            view=view,
            visible=visible,
            verdict=verdict,
            min_score=min_score,
            max_score=max_score,
            min_reprojection=min_reprojection,
            max_reprojection=max_reprojection,
            min_seconds=min_seconds,
            max_seconds=max_seconds,
            min_skating=min_skating,
            max_skating=max_skating,
            min_coverage=min_coverage,
            max_coverage=max_coverage,
            q=q,
        )
        page = Page(sort, order, offset, limit)
        with live.cursor() as cursor:
            return StrictJson(motions_page(cursor, wanted, page) | _versions(live))

    @router.get("/failures")
    def read_failures(
        dataset: Word = None,
        reason: Word = None,
        offset: Offset = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_ROWS)] = PAGE_ROWS,
    ) -> Response:
        with live.cursor() as cursor:
            return StrictJson(failures(cursor, dataset, reason, offset, limit))

    @router.get("/motion")
    def read_motion(id: MotionId, version: Version = None) -> Response:
        return StrictJson(look(live, sources, id, version))

    @router.get("/arrays")
    def read_arrays(id: MotionId, version: Version = None) -> Response:
        return StrictJson(arrays_of(find_record(live, id, version)))

    @router.get("/decisions")
    def read_decisions(limit: Annotated[int, Query(ge=1, le=ACTIVITY)] = 50) -> Response:
        with live.cursor() as cursor, live.lock:
            newest = live.book.newest(limit)
            facts = shown_of(cursor, [made.motion_id for made in newest])
            rows = [
                {"dataset": None, "action": None, **facts.get(made.motion_id, {}), **told}
                for made in newest
                for told in told_history([made], live.book.standings.get(made.motion_id))
            ]
        return StrictJson({"rows": rows})

    return router


def write_routes(live: LiveStore, settings: Settings) -> APIRouter:
    """Addresses that add decisions; nothing else is ever written to the store."""
    router = APIRouter(prefix="/api")

    @router.post("/decisions")
    def post_decisions(body: DecisionsBody) -> Response:
        said = body.model_dump(include={"verdict", "captions", "split", "note"})
        by = body.by or settings.by
        return StrictJson(decide(live, body.motion_ids, said, by, body.seen, again=body.again))

    @router.post("/undo")
    def post_undo(body: UndoBody) -> Response:
        return StrictJson(undo(live, body.decision_ids, body.by or settings.by))

    return router


def _versions(live: LiveStore) -> dict[str, int | None]:
    return {
        "version": live.light().version.videos,
        "decisions_version": live.book.version,
    }


def _dataset_names(live: LiveStore) -> list[str]:
    with live.cursor() as cursor:
        rows = cursor.execute(
            "SELECT dataset FROM m UNION SELECT dataset FROM v ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows]
