"""The steps of the main job: what each writes, reads and depends on, and so which of them are done.

A step's key is the hash of what it depends on and of the keys of the steps that it reads; what was done for another
key is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from distill.job import given_teacher
from distill.job.config import RunConfig
from distill.job.job import MODEL, Job
from distill.job.ledger import RESULT, Ledger, key_of
from distill.job.result import SCHEMA_VERSION
from distill.job.rows import BENCHES, EVALUATION, TRAINED
from distill.pipeline import evaluating, flaws, gather, steps
from distill.training.trackers import EVENTS
from distill.training.train_loop import CHECKPOINT, METRICS
from distill.verify.verdict import Limits
from optics.errors import OpticsError
from optics.reading import sha256_of


@dataclass(frozen=True)
class Step:
    """One step of the job.

    title: what it does, for people. outputs: what it writes, as patterns. reads: the steps whose files it reads.
    depends_on: the part of the configuration that its result depends on. work: does it. resumable: it goes on from what
    an interrupted run left, its aids. parallel: it may run at the same time as its neighbours that say so too. shared:
    several processes do it together, where there are several.
    """

    title: str
    outputs: tuple[str, ...]
    reads: tuple[str, ...]
    depends_on: Callable[[Job], Any]
    work: Callable[[Job], None]
    resumable: bool = False
    parallel: bool = False
    shared: bool = False
    aids: tuple[str, ...] = ()


def _told(model: BaseModel, **of: Any) -> dict[str, Any]:
    """What a table says beyond its defaults: a key that a later version adds changes nothing that was done before."""
    return model.model_dump(mode="json", exclude_defaults=True, **of)


def _data(job: Job) -> Any:
    """Not where the images are: what is in them is what counts."""
    digests = (part.digest() for part in vars(job.splits).values())
    return [job.made_by, _told(job.config.data, exclude={"source", "unlabelled"}), *digests]


def _teacher(job: Job, *, names: bool = False) -> Any:
    """names: with the names of its files, as earlier versions had it."""
    told = job.config.teacher
    if not told.given:
        return [told.name, _told(told.training)]
    without = {"name", "training", "check"} | (set() if names else {"file", "module", "weights"})
    inside = [] if names or told.module is None else [told.module.rpartition(":")[2]]
    return [_told(told, exclude=without), *given_teacher.digests(told), *inside]


def _student(job: Job, *, names: bool = False) -> Any:
    """names: with the name of its file, as earlier versions had it."""
    file = job.config.student.file
    digest = None if file is None else sha256_of(Path(file))
    told = _told(job.config.student, exclude={"realisation", "controls"} | (set() if names else {"file"}))
    return [told, digest, None if job.config.student.noise_aware is None else _realised(job)]


def _network(job: Job, *, names: bool = False) -> Any:
    """How its controls are trained is nothing to the network: they can be added when it is done."""
    told, *rest = _student(job, names=names)
    return [{k: v for k, v in told.items() if k != "distilled_controls"}, *rest]


def _labels_alone(job: Job, *, names: bool = False) -> Any:
    """What the teacher does is nothing to a training without one."""
    kept, *rest = _network(job, names=names)
    if "training" in kept:
        moves = _told(job.config.student.training.augmentation)  # once more, as in keys of earlier versions
        kept["training"] = {k: v for k, v in kept["training"].items() if k != "distillation"} | {
            "moves": moves
        }
    return [kept, *rest]


def _realised(job: Job) -> Any:
    return [_bench(job), _told(job.config.student.realisation)]


def _bench(job: Job) -> Any:
    return _told(job.bench)


def _trained(step: str, *, repeats: bool = False) -> dict[str, Any]:
    """What a training writes, in its folder and in those of its repeats."""
    folders = (step, f"{step}/repeat-*") if repeats else (step,)
    return {
        "outputs": tuple(f"{folder}/{MODEL}" for folder in folders),
        "aids": tuple(f"{folder}/{name}" for folder in folders for name in (CHECKPOINT, METRICS, EVENTS)),
        "resumable": True,
    }


def _correction(job: Job) -> str | None:
    """The digest of the panel's correction, a file beside the bench; None without one."""
    told = job.bench.slm.correction
    return None if told is None else sha256_of(Path(told.file))


def _training(
    step: str,
    title: str,
    *,
    reads: tuple[str, ...] = ("data", "teacher"),
    depends_on: Callable[[Job], Any] = _student,
) -> Step:
    """A student's training; these run in parallel."""
    return Step(
        title,
        reads=reads,
        depends_on=depends_on,
        work=partial(steps.run_student, step=step),
        parallel=True,
        shared=True,
        **_trained(step, repeats=True),
    )


STEPS: dict[str, Step] = {
    "data": Step(
        "Loading the images",
        ("data.json",),
        (),
        _data,
        steps.run_data,
    ),
    "teacher": Step(
        "Training the teacher",
        reads=("data",),
        depends_on=_teacher,
        work=steps.run_teacher,
        shared=True,
        **_trained("teacher"),
    ),
    "linear": _training(
        "linear", "Training linear optics on the labels", reads=("data",), depends_on=_labels_alone
    ),
    "linear_kd": _training("linear_kd", "Distilling linear optics", depends_on=_network),
    "random_masks": _training("random_masks", "Training the control: random masks"),
    "no_mask": _training("no_mask", "Training the control: no mask"),
    "raw_image": _training("raw_image", "Training the control: raw image"),
    "shuffled": replace(
        _training(
            "shuffled", "Training the control: optics shuffled", reads=("data", "teacher", "linear_kd")
        ),
        parallel=False,
    ),
    "calibrate": Step(
        "Calibrating the camera",
        ("calibration.json",),
        (),
        lambda j: [_bench(j)["camera"], _told(j.config.calibration)],
        steps.run_calibrate,
    ),
    "refit": Step(
        "Refitting the back end on the bench",
        reads=("data", "linear_kd", "calibrate"),
        depends_on=lambda j: [_realised(j), _told(j.config.refit)],
        work=steps.run_refit,
        **_trained("refit"),
    ),
    "benches": Step(
        "Evaluating the benches",
        (BENCHES,),
        ("linear_kd", "refit"),
        lambda j: [SCHEMA_VERSION, _told(j.config.evaluation)],
        evaluating.run_benches,
    ),
    "evaluate": Step(
        "Evaluating the other rows",
        (EVALUATION,),
        (*TRAINED, "benches"),
        lambda j: [SCHEMA_VERSION, list(j.config.student.controls)],
        evaluating.run_evaluate,
    ),
    "export": Step(
        "Writing the files for the SLM",
        ("export",),
        ("refit",),
        lambda j: [_told(j.config.export), _correction(j)],
        steps.run_export,
    ),
    "verify": Step(
        "Verifying the files, also in LightPipes",
        ("verify.json",),
        ("export",),
        lambda j: [
            SCHEMA_VERSION,
            _told(j.config.verify, exclude={"processes", *Limits.model_fields}),
        ],
        steps.run_verify,
    ),
    "flaws": Step("Asking what each flaw costs", (flaws.FILE,), ("linear_kd",), flaws.asked, flaws.run_flaws),
    "report": Step(
        "Writing the report",
        (RESULT, "report.html"),
        ("evaluate", "verify", "flaws"),
        lambda j: _told(j.config),
        gather.run_report,
    ),
}


def title_of(name: str, config: RunConfig) -> str:
    """What a step does, for people; a teacher that the user brings is not trained."""
    return "Checking the teacher" if name == "teacher" and config.teacher.given else STEPS[name].title


def keys(job: Job) -> dict[str, str]:
    """The key of every step: the hash of what it depends on and of the keys of the steps that it reads."""
    return _keys(job, _depends(job))


def keys_and_earlier(job: Job) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The keys; and those of earlier versions.

    Those depended on the names of files too, of a bare folder as it was written; in the first of them a training on
    the labels depended on the teacher's part too. Until lately the network depended on how its controls are trained,
    and the benches were evaluated together with the other rows.
    """
    told = _depends(job)
    made_by, _, *digests = told["data"]
    data, student = _told(job.config.data), _student(job, names=True)
    named = {n: student for n, step in STEPS.items() if step.depends_on in (_student, _network)}
    named["teacher"] = _teacher(job, names=True)
    earlier: list[dict[str, Any]] = []
    for where in (data, data | {"source": Path(job.config.data.source).name}):
        for linear in (_labels_alone(job, names=True), student):
            known = named | {"data": [made_by, where, *digests], "linear": linear}
            earlier.append(known)
    earlier += [{"linear_kd": _student(job)}, {}]
    one_step = {"evaluate": [SCHEMA_VERSION, _told(job.config.evaluation), list(job.config.student.controls)]}
    reads = {"evaluate": (*TRAINED, "refit")}
    return _keys(job, told), [_keys(job, told | one_step | known, reads) for known in earlier]


def _depends(job: Job) -> dict[str, Any]:
    return {name: step.depends_on(job) for name, step in STEPS.items()}


def _keys(
    job: Job, told: Mapping[str, Any], reads: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, str]:
    """reads: of steps that read others in earlier versions."""
    found: dict[str, str] = {}
    for name, step in STEPS.items():
        read = (reads or {}).get(name, step.reads)
        found[name] = key_of(name, job.config.seed, told[name], [found[a] for a in read])
    return found


def steps_of(config: RunConfig) -> list[str]:
    """The steps that this job has: no training of a given network, no files and no study where none are wanted."""
    trained = TRAINED if config.student.file else ()
    controls = tuple(name for name in steps.CONTROLS if name not in config.student.controls)
    files = () if config.export.count else ("export", "verify")
    study = () if config.flaws.images else ("flaws",)
    return [name for name in STEPS if name not in (*trained, *controls, *files, *study)]


def ledger(directory: Path) -> Ledger:
    """The ledger of a run's directory."""
    return Ledger(
        directory,
        {name: step.outputs for name, step in STEPS.items()},
        {name: step.aids for name, step in STEPS.items()},
    )


def needed(last: str) -> list[str]:
    """The steps that `last` needs, itself included, in order."""
    if last not in STEPS:
        raise OpticsError(f"no step is called {last!r}; steps are {', '.join(STEPS)}.")
    found = {last}
    for name in reversed(STEPS):
        if name in found:
            found.update(STEPS[name].reads)
    return [name for name in STEPS if name in found]
