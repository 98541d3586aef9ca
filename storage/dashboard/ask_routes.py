"""Asking the model over HTTP: a wish becomes a job, the job a motion in the viewer."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from storage.dashboard.asking import LARGEST_SEED, Asked, AskRefused, MotionMaker
from storage.dashboard.motion_arrays import arrays_of_asked
from storage.dashboard.settings import ASK_CHARS, ID_CHARS
from storage.dashboard.strict_json import StrictJson

Job = Annotated[str, InPath(min_length=1, max_length=ID_CHARS)]


class AskBody(BaseModel):
    """A sentence, and how to make a motion of it."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=ASK_CHARS)
    seconds: float = Field(6.0, allow_inf_nan=False)
    seed: int = Field(1, ge=0, le=LARGEST_SEED)
    guidance: float = Field(2.5, allow_inf_nan=False)


def ask_routes(maker: MotionMaker | None) -> APIRouter:
    """`/api/ask`."""
    router = APIRouter(prefix="/api/ask")

    def present() -> MotionMaker:
        if maker is None:
            raise AskRefused("no model was given: start the dashboard with --checkpoint")
        return maker

    @router.post("")
    def ask(body: AskBody) -> Response:
        asked = Asked(body.text.strip(), body.seconds, body.seed, body.guidance)
        return StrictJson({"job": present().start(asked)})

    @router.get("/{job}")
    def state(job: Job) -> Response:
        now = present().state(job)
        told = {"state": now.state, "progress": now.progress, "message": now.message}
        return StrictJson(told)

    @router.delete("/{job}")
    def cancel(job: Job) -> Response:
        present().cancel(job)
        return state(job)

    @router.get("/{job}/arrays")
    def arrays(job: Job) -> Response:
        return StrictJson(arrays_of_asked(present().result(job)))

    return router
