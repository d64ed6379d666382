"""What mending each flaw of the bench alone would earn: the small study that a run does for its report.

The distilled network with its own back end, on the bench as it comes and on the same bench with one flaw at a time at
its ideal value; the same images and the same noise everywhere. `sclc study` asks more, and of more images.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from distill.job.job import Job
from distill.studies import runners
from distill.studies.cells import VERSION, Conditions, make_plan
from distill.studies.result import Study
from distill.studies.work import Answers, Subject, write_plan
from optics.errors import OpticsError
from optics.files import write_json

FILE = "flaws.json"


def asked(job: Job) -> list[Any]:
    """What the result depends on, beside the network."""
    parts = (job.bench, job.config.student.realisation, job.config.flaws)
    return [*(part.model_dump(mode="json", exclude_defaults=True) for part in parts), VERSION]


def run_flaws(job: Job) -> None:
    """Write what each flaw's mending earns, the most first; of a network that a study does not take, why."""
    try:
        found = earned(job)
    except OpticsError as error:  # a study takes fewer ways onto a bench than a run does
        found = {"images": 0, "draws": 0, "bench": None, "ideal": None, "flaws": [], "reason": str(error)}
    write_json(job.directory / FILE, found)


def earned(job: Job) -> dict[str, Any]:
    """The figure (0 to 1) of the bench and of its ideal twin, and for each flaw what mending it earns, with its error.

    Raises:
        OpticsError: a study takes no such way onto a bench.
    """
    told, test, known = job.config.flaws, job.splits.test, job.task.gallery(job.splits)
    gallery = None if known is None else Answers(known.images, known.labels)
    whole = Subject(job.student("linear_kd"), Answers(test.images, test.labels), gallery=gallery)
    subject = whole.with_images(told.images)
    conditions = Conditions(
        network="",
        images="",
        seed=job.config.seed,
        draws=told.draws,
        realisation=job.config.student.realisation,
    )
    plan = make_plan(conditions, job.bench, subject.student.spec, ranking=True, name=job.config.name)
    cells = tuple(cell for cell in plan.cells if cell.role != "alone")
    plan = subject.judged(plan.replace(cells=cells, device=str(job.device)))
    done: list[str] = []

    def progress(key: str) -> None:
        done.append(key)
        job.progress(len(done), len(plan.by_key()), f"{len(done)} of {len(plan.by_key())} benches")

    with tempfile.TemporaryDirectory(prefix="flaws-") as name:
        folder = Path(name)
        subject.write(folder)
        write_plan(folder, plan)
        runners.run_here(folder, list(plan.by_key().values()), progress)
        study = Study(folder, plan)
        return {
            "images": len(subject.test.images),
            "draws": told.draws,
            "bench": study.of("bench")[0].best.mean,
            "ideal": study.of("ideal")[0].best.mean,
            "flaws": [
                {"path": f.path, "earns": f.earns.mean, "error": f.earns.error}
                for f in study.ranking
                if f.earns is not None
            ],
            "reason": "",
        }
