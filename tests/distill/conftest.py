"""One run of the demo in its fast setting, shared by all tests that need a finished run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock


@pytest.fixture(scope="session")
def fast_run(tmp_path_factory) -> Path:
    """The directory of a finished fast demo; tests leave it as it is.

    It is run once, whichever of pytest-xdist's workers comes first; every worker has a copy of its own.
    """
    from distill.job import config
    from distill.pipeline import main_job as pipeline

    base = tmp_path_factory.getbasetemp()
    made = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "fast-demo"
    with FileLock(f"{made}.lock"):
        if not made.exists():
            unfinished = tmp_path_factory.mktemp("unfinished") / "demo"
            pipeline.run(config.demo(fast=True), unfinished)
            unfinished.rename(made)
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("fast") / "demo"))
