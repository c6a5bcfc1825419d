"""Places to save to: checked before anything is paid or waited for."""

import functools
from argparse import Namespace
from pathlib import Path
from typing import Any

from kling_async.cli import endpoints
from kling_async.io.target import Target, check_target_for
from kling_async.io.threads import in_thread
from kling_async.protocol.result_kind import ResultKind


async def place_for(
    path: str, *, overwrite: bool, watermark: bool = False, kind: ResultKind | None = None, several: bool | None = None
) -> Target:
    """Checks a place to save to; `several` files need a directory.

    Raises:
        TargetError: it cannot be used.
    """
    check = functools.partial(check_target_for, overwrite=overwrite, watermark=watermark, kind=kind, several=several)
    return await in_thread(check, path, None)


async def places(options: Namespace, request: Any) -> Target | None:
    """Checks all places that a request's results are saved to; returns that of `--output`, if it is given.

    Raises:
        TargetError: one cannot be used.
    """
    if options.output is None:
        return None
    kind = endpoints.kind_of(request)
    several = endpoints.results_of(request) > 1 or None
    # Several files need a directory: an error that suggests --overwrite for an existing file would be wrong.
    place = await place_for(options.output, overwrite=options.overwrite or bool(several), kind=kind, several=several)
    if options.watermark and not place.is_directory:
        await place_for(watermarked(options.output), overwrite=options.overwrite, kind=kind)
    return place


def watermarked(target: str) -> str:
    """Returns the path of the watermarked variant, next to the other: `cat-watermark.mp4`."""
    path = Path(target)
    return str(path.with_name(f"{path.stem}-watermark{path.suffix}"))
