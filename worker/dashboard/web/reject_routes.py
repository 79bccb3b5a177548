"""Routes of the list of rejected frames: the list, and the picture of a frame where it can be decoded."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.reject_list import RejectList
from stripwatch.worker.dashboard.web.picture_responses import PictureThreads, jpeg_response, no_picture, width_px


def reject_routes(rejects: RejectList, pictures: FrameFetcher) -> list[Route]:
    """Return the routes. A frame is decoded and encoded again: no byte of a sender reaches the browser."""
    threads = PictureThreads()

    async def listed(_: Request) -> Response:
        body = msgspec.json.encode(rejects.newest_first())
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    async def picture(request: Request) -> Response:
        position = rejects.position("{run}/{seq}".format_map(request.path_params))
        return await threads.run(lambda: fetched(position, width_px(request))) if position else no_picture()

    def fetched(position: Position, width: int) -> Response:
        jpeg = pictures.picture(position, width)
        return no_picture() if jpeg is None else jpeg_response(jpeg)  # frames that cannot be decoded are expected here

    return [Route("/rejects.json", listed), Route("/rejects/{run}/{seq:int}.jpg", picture)]
