"""What each step of the main job does, given a `Job`; `main_job` says in which order and when to skip one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from calibration import SimulatedCamera, measure_radiometry
from distill.data.dataset import limited
from distill.export.write import export
from distill.job import given_teacher
from distill.job.job import MODEL, Job
from distill.job.rehearsal import rehearse
from distill.training import evaluation
from distill.training.checkpoint import save, save_model
from distill.training.spec import TrainSpec
from distill.training.stepping import lowered
from distill.training.teaching import Guide, Memory
from distill.training.trackers import OnEpoch
from distill.training.train_loop import Progress, train
from distill.verify.scenes import check_layout
from distill.verify.simulators import LightPipesPath
from distill.verify.verification import verify
from networks import Student
from networks.onbench.network import OnBench
from networks.students.spec import Control
from networks.teachers import registry as teachers
from optics.errors import OpticsError
from optics.files import make_folder, write_json

# Every random number follows from the run's seed; each use has its own stream. Between the seeds of two runs lie more
# numbers than a run uses, and between those of two repeats of a training more than there are uses.
RUNS_APART, REPEATS_APART = 1000, 10
STREAMS = {"teacher": 1, "student": 2, "calibrate": 3, "refit": 4, "evaluate": 5, "light": 6}
LIGHT_IMAGES, BATCH = 100, 256
CONTROLS: dict[str, Control] = {name: name for name in get_args(Control)}


def stream(job: Job, use: str) -> torch.Generator:
    """The generator of one use."""
    return torch.Generator().manual_seed(seed_of(job, use))


def seed_of(job: Job, use: str, repeat: int = 0) -> int:
    """The seed of one use, in the `repeat`-th repeat of a training."""
    return RUNS_APART * job.config.seed + STREAMS[use] + REPEATS_APART * repeat


def seeded(job: Job, spec: TrainSpec) -> TrainSpec:
    """The training's own seed counted on from the run's."""
    return spec.replace(seed=job.config.seed + spec.seed)


def run_data(job: Job) -> None:
    """Write what the images are."""
    s = job.splits
    write_json(
        job.directory / "data.json",
        {
            "source_name": job.config.data.source,
            "source": s.train.source,
            "licence": s.train.licence,
            "train": len(s.train),
            "labelled": len(s.train.labelled),
            "validation": len(s.validation),
            "test": len(s.test),
            "image_shape": list(s.train.image_shape),
            "class_names": list(s.train.class_names),
            "digest": s.train.digest(),
            "made_by": job.made_by,
        },
    )


def run_teacher(job: Job) -> None:
    """Train the teacher; one that the user brings is asked what it knows, and its weights are kept."""
    t = job.splits.train
    if job.brought:
        told = job.config.teacher
        right = given_teacher.check(
            told,
            job.teacher(),
            job.splits.validation,
            f"the teacher {told.label!r}",
            training=t,
            tell=job.watcher.note if job.processes.first else None,
        )
        config = {"kind": "given teacher", "label": told.label, "right": right}
        if job.processes.first:
            save_model(job.path("teacher") / MODEL, job.teacher(), config)
        return
    config = {
        "kind": "teacher",
        "name": job.config.teacher.name,
        "in_channels": t.channels,
        "classes": t.classes,
        "image_size": list(t.image_shape),
    }
    model = teachers.create_teacher(
        job.config.teacher.name, t.channels, t.classes, t.image_shape, generator=stream(job, "teacher")
    ).to(job.device)
    spec = job.config.teacher.training
    _train(job, "teacher", model, spec, distilled=False, progress=job.progress)
    if job.processes.first:
        save_model(job.path("teacher") / MODEL, model, config)


def run_student(job: Job, step: str) -> None:
    """Train `linear`, `linear_kd`, or a control: the same first values, the same order of images, in every repeat."""
    control = CONTROLS.get(step)
    distilled = job.config.student.distilled_controls if control else step == "linear_kd"
    repeats = job.config.student.repeats
    for repeat in range(repeats):

        def progress(done: int, total: int, note: str, before: int = repeat) -> None:
            job.progress(before * total + done, repeats * total, note)

        first = torch.Generator().manual_seed(seed_of(job, "student", repeat))
        model = job.build(control, first, repeat)
        spec = job.config.student.training
        spec = spec.replace(seed=spec.seed + RUNS_APART * repeat)
        trainee = job.trainee(model)
        _train(job, job.repeat(step, repeat), trainee, spec, distilled=distilled, progress=progress)
        if job.processes.first:
            save(model, job.path(job.repeat(step, repeat)) / MODEL)


def _train(
    job: Job,
    step: str,
    model: nn.Module,
    spec: TrainSpec,
    *,
    distilled: bool,
    progress: Progress,
) -> None:
    teacher: Any = None
    part = job.splits.train
    if distilled:
        teacher = guide(job, part.images, spec)
    elif len(part.labelled) < len(part):  # without a teacher there is nothing to learn from the others
        part = part.labelled if step == "teacher" else part.labelled.repeated(len(part))
    train(
        model,
        part,
        job.splits.validation,
        seeded(job, spec),
        directory=job.path(step),
        teacher=teacher,
        progress=progress,
        on_epoch=job.told(step),
        processes=job.processes,
    )


def guide(job: Job, images: Tensor, spec: TrainSpec, memory: Memory | None = None) -> Guide:
    """The teacher as every student of the job asks it: those that are shown the same images share its answers.

    Args:
        job: whose teacher.
        images: what it sees, (N, C, H, W).
        spec: of the student's training.
        memory: keeps the answers; that of the job by default, which shares among the rows of a run.
    """
    memory = job.answers if memory is None else memory
    return Guide(
        job.teacher(), images, moving=spec.moves.active, fast=lowered(spec.step, job.device), memory=memory
    )


def calibration(job: Job) -> dict[str, Any]:
    """Photon transfer of the bench's camera from simulated flat fields; without shot noise there is nothing to see."""
    camera, c = job.bench.camera, job.config.calibration
    found: dict[str, Any] = {
        "radiometry": None,
        "assumed": None,
        "levels": c.levels,
        "exposures": c.exposures,
    }
    if camera.shot_noise:
        radiometry = measure_radiometry(
            SimulatedCamera(camera), levels=c.levels, frames=c.exposures, generator=stream(job, "calibrate")
        )
        found["radiometry"] = radiometry.to_dict()
        if job.bench.assumed_camera is None:  # what the user assumes comes before what could be measured
            found["assumed"] = radiometry.corrected(camera).model_dump(mode="json")
    return found


def check_later(job: Job, todo: Sequence[str]) -> None:
    """Raise OpticsError where one of the steps in `todo` would refuse what the configuration asks of it.

    Asked before the first training: networks are built with their first values, the camera is calibrated (half a
    second), and the bench is laid out for both engines.
    """
    job.check_trainable()
    job.check_exportable()
    if "calibrate" in todo:
        try:
            calibration(job)
        except OpticsError as error:
            raise OpticsError(
                f"calibration: {error} Change calibration.levels or calibration.exposures."
            ) from None
    if "refit" in todo and job.config.refit.moves.active:
        raise OpticsError(
            "refit.augmentation: exposures from a bench are not moved or mixed; leave it (or function_matching) out."
        )
    rehearse(job)
    if "verify" in todo and job.config.verify.lightpipes_images:
        network = job.on_bench(Student.from_spec(job.spec), job.bench, calibrated=False)
        try:
            check_layout(LightPipesPath(), network)
        except OpticsError as error:
            raise OpticsError(
                f"verify: {str(error).removesuffix('.')}, or set verify.lightpipes_images = 0."
            ) from None


def run_calibrate(job: Job) -> None:
    """Calibrate the camera by which counts become photons."""
    write_json(job.directory / "calibration.json", calibration(job))


def run_refit(job: Job) -> None:
    """Fit the distilled network's back end anew, to exposures of the training images on the realistic bench."""
    make_folder(job.path("refit"))
    student = job.student("linear_kd")
    bench = job.on_bench(student, job.bench)
    fitted = refit(job, bench, directory=job.path("refit"), on_epoch=job.told("refit"))
    student.backend = fitted.backend
    save(student, job.path("refit") / MODEL)


def refit(
    job: Job, bench: OnBench, *, directory: Path | None = None, on_epoch: OnEpoch | None = None
) -> OnBench:
    """The same network on the same bench with a back end fitted there."""
    config = job.config.refit
    return evaluation.refit_backend(
        bench,
        limited(job.splits.train, config.images, stream(job, "refit")),
        job.splits.validation,
        seeded(job, config),
        teacher=job.tutor(),
        seed=seed_of(job, "refit"),
        directory=directory,
        progress=job.progress,
        on_epoch=on_epoch,
    )


def run_export(job: Job) -> None:
    """Write the distilled network on the realistic bench, back end refitted, as files for the SLM."""
    job = job.on_cpu()
    bench = job.on_bench(job.student("refit"), job.bench)
    export(bench, job.directory / "export", inputs=job.splits.test, count=job.export_count)


def run_verify(job: Job) -> None:
    """Read the exported directory alone and run it through both engines."""
    v = job.config.verify
    found = verify(
        job.directory / "export",
        wave_images=v.wave_images,
        lightpipes_images=v.lightpipes_images,
        processes=v.processes,
        progress=job.progress,
    )
    write_json(job.directory / "verify.json", found.model_dump(mode="json"))
