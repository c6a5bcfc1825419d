"""What holds for all tests."""

import gc


def pytest_collection_finish() -> None:
    """Sets what was imported apart: a watch for leaks then collects what a test made, not all modules each time."""
    gc.collect()
    gc.freeze()
