"""For tests of code that uses this package: the emulator with assertions, a fake clock, and scripted answers.

The package installs a pytest plugin with the fixtures `kling`, `kling_emulator`, `kling_server`, `kling_clock` and the
marker `kling_faults`. Without pytest, use the classes directly:

```python
with KlingEmulator() as emulator:
    async with emulator.client() as kling:
        await kling.generate(TextToVideo("a cat on a skateboard"), "cat.mp4")
    emulator.assert_paid(1)
```
"""

from kling_async.emulator import Fault as Fault
from kling_async.testing.clock import FakeClock as FakeClock
from kling_async.testing.emulator import KlingEmulator as KlingEmulator
from kling_async.testing.script import Answer as Answer
from kling_async.testing.script import Script as Script
from kling_async.testing.script import Sent as Sent
from kling_async.testing.settings import POLLING as POLLING
from kling_async.testing.settings import QUEUE_DEADLINE as QUEUE_DEADLINE
from kling_async.testing.settings import RETRY as RETRY

__all__ = ["POLLING", "QUEUE_DEADLINE", "RETRY", "Answer", "FakeClock", "Fault", "KlingEmulator", "Script", "Sent"]
