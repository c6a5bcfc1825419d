"""What holds for all tests."""

import gc

from hypothesis import settings

settings.register_profile("tests", deadline=None)  # a busy machine is no mistake of what is tested
settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """Sets what was imported apart: a watch for leaks then collects what a test made, not all modules each time."""
    gc.collect()
    gc.freeze()
