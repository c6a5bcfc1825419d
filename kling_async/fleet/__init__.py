"""Runs jobs on many machines, any of which may die, coordinated through Postgres; needs the extra `fleet`.

```python
async with Fleet("postgresql://kling:...@db.example/kling") as fleet:
    await fleet.submit(ImageToVideo(image="cat.jpg", prompt="the cat turns its head"), key="cat-1")
    job = await fleet.wait("cat-1")
```
"""

from typing import TYPE_CHECKING

from kling_async.io.postgres import driver

driver()  # raises an error with instructions if the extra is not installed

if TYPE_CHECKING:
    from kling_async.fleet.fleet import Fleet as Fleet
    from kling_async.fleet.jobs import Job as Job
    from kling_async.fleet.metrics import LineMetrics as LineMetrics
    from kling_async.fleet.metrics import Metrics as Metrics
    from kling_async.fleet.metrics import QueueMetrics as QueueMetrics
    from kling_async.fleet.metrics import WorkerMetrics as WorkerMetrics
    from kling_async.fleet.new_job import NewJob as NewJob
    from kling_async.fleet.worker import Worker as Worker
    from kling_async.protocol.fleet.job_state import JobState as JobState
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
