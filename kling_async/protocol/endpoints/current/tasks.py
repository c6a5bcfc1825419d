"""`/tasks`: where all tasks of the current generation are queried."""

from kling_async.protocol.clips import typical_seconds_of
from kling_async.protocol.endpoint import Endpoint, Generation, Request
from kling_async.protocol.reference import TASKS

ENDPOINT = Endpoint(
    path=f"/{TASKS}",
    name=TASKS,
    generation=Generation.CURRENT,
    record=Request,  # any: a task does not contain its request
    typical_seconds=typical_seconds_of,
    finds_by_external_id=True,
)
