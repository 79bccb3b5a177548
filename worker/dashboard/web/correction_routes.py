"""The routes by which people correct predictions."""

from typing import Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.write_route import refusal, write_route
from stripwatch.worker.dashboard.writing.corrector import CorrectionRefusedError, Corrector


class CorrectionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a correction.

    picture: the card, as RUN/SEQ. label: the class chosen for "relabelled", or the name of a "new_kind" of defect.
    """

    picture: str
    decision: Literal["confirmed", "relabelled", "not_a_defect", "new_kind"]
    label: str | None = None


def correction_routes(corrector: Corrector, access: Access) -> list[BaseRoute]:
    """Return the routes: what a person may choose for a card, and the correction itself."""

    async def show_choices(request: Request) -> Response:
        picture = "{run}/{seq}".format_map(request.path_params)
        try:
            choices = await run_in_threadpool(corrector.choices, picture)
            return JSONResponse(choices, headers={"cache-control": "no-store"})
        except CorrectionRefusedError as refused:
            return refusal(refused.status, str(refused))

    async def correct(person: str, body: CorrectionRequest) -> Response:
        try:
            made = await run_in_threadpool(corrector.correct, body.picture, body.decision, body.label, person)
        except CorrectionRefusedError as refused:
            return refusal(refused.status, str(refused))
        shown = {"decision": made.decision, "label": made.label, "by": made.by, "at": made.at}
        return JSONResponse(shown, headers={"cache-control": "no-store"})

    return [
        Route("/corrections/{run}/{seq:int}.json", show_choices),
        write_route("/corrections", access, CorrectionRequest, correct),
    ]
