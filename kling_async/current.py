"""The current generation of the API: its request records, their parts, and checks of hand-written request bodies.

```python
from kling_async import current

request = current.ImageToVideo("https://files.example/cat.png", model="kling-3.0-turbo", prompt="the cat yawns")
path = await kling.generate(request, "cat.mp4")
```
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kling_async.protocol.endpoints.current import *  # noqa: F403  (each name is exported there)
else:
    from kling_async.lazy_exports import import_on_use

    __getattr__, __dir__ = import_on_use(__name__)
