"""One run of the demo in its fast setting, shared by all tests that need a finished run."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def fast_run(tmp_path_factory) -> Path:
    """The directory of a finished fast demo; tests leave it as it is."""
    from distill.job import config
    from distill.pipeline import main_job as pipeline

    folder = tmp_path_factory.mktemp("fast") / "demo"
    pipeline.run(config.demo(fast=True), folder)
    return folder
