"""The events that a client passes to `on_event`: plain values with ids, seconds and costs, never a secret.

```python
from kling_async import events

def on_event(event: events.Event) -> None:
    if isinstance(event, events.Paid):
        print(event.reference, event.cost.units)

async with KlingClient(on_event=on_event) as kling:
    ...
```
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_async.protocol.events import Accepted as Accepted
    from kling_async.protocol.events import Attached as Attached
    from kling_async.protocol.events import Changed as Changed
    from kling_async.protocol.events import Ended as Ended
    from kling_async.protocol.events import Event as Event
    from kling_async.protocol.events import Failure as Failure
    from kling_async.protocol.events import InDoubt as InDoubt
    from kling_async.protocol.events import NotSaved as NotSaved
    from kling_async.protocol.events import Paid as Paid
    from kling_async.protocol.events import Polled as Polled
    from kling_async.protocol.events import Queued as Queued
    from kling_async.protocol.events import Refused as Refused
    from kling_async.protocol.events import Saved as Saved
    from kling_async.protocol.events import Saving as Saving
    from kling_async.protocol.events import SendFailed as SendFailed
    from kling_async.protocol.events import Sent as Sent
    from kling_async.protocol.events import Throttled as Throttled
    from kling_async.protocol.events import WorkEvent as WorkEvent
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
