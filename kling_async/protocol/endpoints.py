"""One row per endpoint of the legacy protocol: create with POST, query with GET path/{id}, list with GET path."""

from typing import NamedTuple

from kling_async.protocol.records import ImageToVideo


class Endpoint(NamedTuple):
    """Where tasks of one kind are made.

    Attributes:
        name: first half of a reference (`image2video:<id>`).
        path: of create and list; a task's is `path/<id>`.
        request: the record that creates one.
        finds_by_external_id: whether a task can be asked for by its external id.
    """

    name: str
    path: str
    request: type
    finds_by_external_id: bool = False


IMAGE_TO_VIDEO = Endpoint("image2video", "/v1/videos/image2video", ImageToVideo, finds_by_external_id=True)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in (IMAGE_TO_VIDEO,)}


def endpoint_for(request: object) -> Endpoint | None:
    """The endpoint that takes this record, or None."""
    return next((endpoint for endpoint in ENDPOINTS.values() if type(request) is endpoint.request), None)
