"""One row per endpoint of the legacy protocol: create with POST, query with GET path/{id}, list with GET path."""

from typing import NamedTuple

from kling_async.protocol.records import ImageToVideo


class Endpoint(NamedTuple):
    """Where tasks of one kind are made.

    Attributes:
        name: first half of a reference (`image2video:<id>`).
        path: of create and list; a task's is `path/<id>`.
        request: the record that creates one.
    """

    name: str
    path: str
    request: type


IMAGE_TO_VIDEO = Endpoint("image2video", "/v1/videos/image2video", ImageToVideo)

ENDPOINTS: dict[str, Endpoint] = {endpoint.name: endpoint for endpoint in (IMAGE_TO_VIDEO,)}


def endpoint_for(request: object) -> Endpoint | None:
    """The endpoint that takes this record, or None."""
    return next((endpoint for endpoint in ENDPOINTS.values() if type(request) is endpoint.request), None)
