"""Tests of `kling_async.web`."""
