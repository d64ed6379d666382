"""Workers that die, a study that is killed, and a Dask cluster one of whose workers is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from distill.pipeline import study as conduct
from distill.studies import runners
from distill.studies.outcomes import CELLS
from distill.studies.work import write_plan
from optics.checks import OpticsError
from tests.distill.exportbench import BENCH
from tests.distill.studies.studybench import quick, splits, student

VARY = ["slm.bits=1..6", "slm.crosstalk=0.1,0.5,0.9", "camera.read_noise=0,9"]


def asked(folder: Path):
    """A study that is planned and not begun."""
    home, subject, plan = conduct.planned(
        student(),
        splits(),
        bench=BENCH,
        vary=VARY,
        grid=False,
        ranking=False,
        monte_carlo=0,
        tolerance=None,
        draws=2,
        images=None,
        refit=False,
        refit_images=None,
        folder=folder,
        seed=None,
        config=None,
        sets=(),
    )
    home.mkdir(parents=True, exist_ok=True)
    subject.write(home)
    write_plan(home, plan)
    return subject, plan


def files(folder: Path) -> dict[str, int]:
    found = (folder / CELLS).glob("*.h5") if (folder / CELLS).is_dir() else ()
    return {p.name: p.stat().st_mtime_ns for p in found}


def test_a_worker_that_dies_is_replaced_and_a_cell_that_kills_each_is_told(tmp_path, monkeypatch):
    _, plan = asked(tmp_path / "s")
    true, workers = runners._worker, []

    def fragile(folder, stop):
        context = true(folder, stop)
        enter = context.__enter__

        def entered():
            workers.append(enter())
            if len(workers) <= deaths:
                workers[-1].kill()
            return workers[-1]

        context.__enter__ = entered
        return Wrapped(context, entered)

    class Wrapped:
        def __init__(self, context, entered):
            self.context, self.entered = context, entered

        def __enter__(self):
            return self.entered()

        def __exit__(self, *error):
            return self.context.__exit__(*error)

    monkeypatch.setattr(runners, "_worker", fragile)
    deaths = 99
    with pytest.raises(OpticsError, match="died 3 times"):
        runners.run_processes(tmp_path / "s", plan.cells[:1], lambda key: None, processes=1)
    deaths = len(workers) + 1
    done = []
    runners.run_processes(tmp_path / "s", plan.cells[:3], done.append, processes=1)
    assert set(done) == {c.key for c in plan.cells[:3]}
    assert len(workers) == deaths + 1


def test_a_study_that_is_killed_goes_on_and_repeats_nothing(tmp_path):
    folder = tmp_path / "s"
    asked(folder)
    code = (
        "import sys; from pathlib import Path\n"
        "from distill.studies import runners; from distill.studies.work import read_plan\n"
        "folder = Path(sys.argv[1])\n"
        "runners.run_here(folder, runners.missing(folder, read_plan(folder)), lambda key: None)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    limit = time.monotonic() + 60
    while len(files(folder)) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = files(folder)
    assert len(before) >= 2
    (folder / CELLS / f".x.h5.{process.pid}-01234567.sclc-part").write_bytes(b"half")
    study = quick(folder, vary=VARY, draws=2)
    after = files(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(study.outcomes)
    assert not list((folder / CELLS).glob(".*"))


def test_two_studies_do_not_work_in_one_folder(tmp_path):
    from distill.studies.store import locked

    with locked(tmp_path / "s"), pytest.raises(OpticsError, match="another process works"):
        quick(tmp_path / "s")


def test_without_dask_or_a_scheduler_one_line_says_so(tmp_path, monkeypatch):
    _, plan = asked(tmp_path / "s")
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(OpticsError, match=r"spectral-cascade\[dask\]"):
        runners.run_dask(tmp_path / "s", plan.cells, lambda key: None, address="tcp://127.0.0.1:1")


@pytest.mark.filterwarnings("ignore")
def test_on_a_dask_cluster_with_a_worker_killed_the_numbers_are_the_same(tmp_path):
    pytest.importorskip("distributed", reason="the dask extra is not installed")
    from dask.distributed import LocalCluster

    here = quick(tmp_path / "here", vary=VARY, draws=2)
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
    ) as cluster:
        victim = next(iter(cluster.workers.values())).pid

        def kill_one():
            limit = time.monotonic() + 60
            while not files(tmp_path / "there") and time.monotonic() < limit:
                time.sleep(0.02)
            os.kill(victim, signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        there = quick(tmp_path / "there", vary=VARY, draws=2, dask=cluster.scheduler_address)
        killer.join()
    assert there.outcomes.keys() == here.outcomes.keys()
    for key, found in here.outcomes.items():
        assert torch.equal(found.as_is, there.outcomes[key].as_is)
