"""Routes of the list of rejected frames: the list, and the picture of a frame where it can be decoded."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.reject_list import RejectList

_WIDTHS_PX = (320, 1600)


def reject_routes(rejects: RejectList, pictures: FrameFetcher) -> list[Route]:
    """Return the routes. A frame is decoded and encoded again: no byte of a sender reaches the browser."""

    async def listed(_: Request) -> Response:
        body = msgspec.json.encode(rejects.newest_first())
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    async def picture(request: Request) -> Response:
        position = rejects.position("{run}/{seq}".format_map(request.path_params))
        width_px = _WIDTHS_PX["large" in request.query_params]
        jpeg = await run_in_threadpool(pictures.picture, position, width_px) if position else None
        if jpeg is None:  # an answer without a picture: the frame was rejected for a reason, so this is no error
            return Response(status_code=204, headers={"cache-control": "no-store"})
        return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    return [Route("/rejects.json", listed), Route("/rejects/{run}/{seq:int}.jpg", picture)]
