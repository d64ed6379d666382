"""One job in its directory: the configuration, the bench and the images it means, and the models it has made so far."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distill.data import sources as data
from distill.data import unlabelled
from distill.data.dataset import Splits
from distill.data.parts import Options
from distill.environment import version
from distill.export.lab_readme import driver_table
from distill.export.write import check_images, check_levels
from distill.job import given_teacher
from distill.job.config import DataConfig, RunConfig
from distill.job.ledger import Ledger, read_json
from distill.job.named_files import check_data
from distill.metrics.tasks import Task, task_of
from distill.progress import Silent, Watcher
from distill.training.checkpoint import load_network, load_spec, load_student, load_teacher
from distill.training.history import Epoch
from distill.training.processes import ALONE, Processes
from distill.training.teaching import Memory, logits
from distill.training.trackers import OnEpoch, OnStepEpoch, tensorboard
from networks import RawImage, Student, StudentSpec
from networks.onbench.network import OnBench
from networks.students.controls import shuffled
from networks.students.noise_aware import NoiseAware
from networks.students.spec import Control
from networks.teachers.registry import create_teacher
from optics.bench.spec import BenchSpec
from optics.camera.camera import CameraSpec
from optics.checks import OpticsError
from optics.devices import find
from optics.reading import reason

MODEL = "model.safetensors"


class Stopped(RuntimeError):
    """This step was given up because another one failed or the user interrupted."""


@dataclass
class Job:
    """Everything that the steps of one run share.

    Attributes:
        config: what to do.
        bench: the realistic bench, resolved from the configuration.
        splits: training, validation and test images.
        directory: where results go.
        watcher: who is told of the progress.
        step: the step that is being done.
        stopped: set when another step has failed, so that the ones beside it end too.
        seconds: how long the steps before this one took.
        where: versions and machine that each of them was done with, see `distill.environment`.
        calibration: what the calibrate step found; read from the directory when absent.
        elsewhere: a device in place of the configuration's.
        processes: who trains together.
        module: a teacher that was passed from Python, in place of the configuration's.
        made_by: the version of this project whose steps count as done; this one, or that of a finished run.
        answers: what the teacher said, shared by the rows of a run that ask about the same images.
        on_epoch: a function of the user's that is told of each epoch of every training, with the training's folder.
    """

    config: RunConfig
    bench: BenchSpec
    splits: Splits
    directory: Path
    watcher: Watcher
    step: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)
    seconds: dict[str, float] = field(default_factory=dict)
    where: dict[str, dict[str, Any]] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    elsewhere: str | None = None
    processes: Processes = ALONE
    module: nn.Module | None = None
    made_by: str = field(default_factory=version)
    answers: Memory = field(default_factory=lambda: Memory(most=0))
    on_epoch: OnStepEpoch | None = None

    @classmethod
    def prepare(
        cls,
        config: RunConfig,
        directory: Path,
        watcher: Watcher | None = None,
        *,
        teacher: nn.Module | None = None,
    ) -> Job:
        """Resolve the bench and load the images; nothing is written. teacher: in place of the configuration's.

        Raises:
            OpticsError: the bench or the images cannot be had, or do not fit the network.
        """
        bench = config.bench.resolve()
        check_data(config)
        d = config.data
        splits = data.load(
            d.source,
            validation=d.validation,
            seed=config.seed,
            limit=d.limit,
            size=d.size,
            grey=d.grey,
            target=d.target,
            ignore=d.ignore,
            axes=d.axes,
            white=d.white,
            subset=d.subset,
            strangers=d.strangers,
            held_out=d.held_out,
        )
        images = _pooled(splits, d, config.seed)
        student = config.student
        again = (student.distilled_controls and student.controls) or not student.training.moves.active
        # repeats see other moves, and the same images without
        answers = Memory() if again else Memory(most=0)
        job = cls(config, bench, images, directory, watcher or Silent(), module=teacher, answers=answers)
        job.check()
        return job

    @property
    def brought(self) -> bool:
        """Whether the user brings the teacher."""
        return self.config.teacher.given

    def recall(self, book: Ledger, steps: Iterable[str]) -> None:
        """Take from a ledger how long steps took, and where they were done."""
        for step in steps:
            self.seconds[step], self.where[step] = book.seconds(step), book.where(step)

    def progress(self, done: int, total: int, note: str = "") -> None:
        """Tell the watcher; raises Stopped where the job has been given up."""
        if self.stopped.is_set():
            raise Stopped
        self.watcher.progress(self.step, done, total, note)

    def told(self, step: str) -> OnEpoch:
        """Whoever is told of each epoch of one training; `step`: its folder, such as linear_kd/repeat-1."""
        asked: list[OnEpoch] = []
        if self.config.tensorboard:
            asked.append(tensorboard(self.path(step)))
        if self.on_epoch is not None:
            asked.append(partial(self.on_epoch, step))

        def tell(epoch: Epoch) -> None:
            for each in asked:
                each(epoch)

        return tell

    def check(self) -> None:
        """Raise OpticsError unless images, network and bench fit each other."""
        student, train = self.config.student, self.splits.train
        if student.file is None:
            task_of(self.splits, student.backend.kind)
        channels = student.cascade.channels[0]
        if channels != train.channels:
            begin = f"begin with {train.channels}"
            grey = "" if train.channels == 1 else ", or set data.grey = true and begin with 1"
            raise OpticsError(
                f"student.cascade.channels begins with {channels} and the images have {train.channels} channels; "
                f"{begin}{grey}."
            )
        if student.file is not None:
            self._check_file(load_spec(Path(student.file)))

    def _check_file(self, told: StudentSpec) -> None:
        """Raise OpticsError unless the network of `student.file` takes these images and knows these classes."""
        file, shape, classes = self.config.student.file, self.image_shape, self.splits.train.classes
        if told.image_shape not in (None, shape):
            raise OpticsError(
                f"{file} is a network for images of {told.image_shape} pixels and {self.config.data.source} has "
                f"{shape}; set data.size = {list(told.image_shape or shape)}."
            )
        if told.classes != classes:
            raise OpticsError(
                f"{file} is a network for {told.classes} classes and {self.config.data.source} has {classes}; give the "
                "data that it was trained with (data.source)."
            )

    def check_trainable(self) -> None:
        """Raise OpticsError unless teacher and student take these images and tell these classes apart.

        Each is built with its first values and asked about one image.
        """
        train, told = self.splits.train, self.config.teacher
        key = "teacher.image_size, teacher.channels or teacher.classes" if self.brought else "teacher.name"
        with self._asking(f"the teacher {told.label!r}", key):
            teacher = (
                self.teacher().cpu()
                if self.brought
                else create_teacher(
                    told.name, train.channels, train.classes, train.image_shape, generator=torch.Generator()
                )
            )
            self._check_logits(logits(teacher, train.images[:1]), f"the teacher {told.label!r}", key)
        if self.brought:
            given_teacher.check(
                told, teacher, self.splits.validation, f"the teacher {told.label!r}", training=train
            )
        with self._asking("the student", "student.readout.bins or student.cascade"):
            student = Student.from_spec(self.spec)
            self._check_logits(logits(student, train.images[:1]), "the student", "student.backend")

    @contextlib.contextmanager
    def _asking(self, what: str, key: str) -> Iterator[None]:
        try:
            yield
        except OpticsError:
            raise
        except Exception as error:  # a teacher of the user's own may raise anything
            if not self.brought and not isinstance(error, RuntimeError | ValueError | ZeroDivisionError):
                raise
            ny, nx = self.image_shape
            raise OpticsError(
                f"{what} cannot take images of {ny} x {nx} pixels ({reason(error)}); change {key}, or set data.size."
            ) from error

    def _check_logits(self, found: Tensor, what: str, key: str) -> None:
        train = self.splits.train
        wanted = (1, train.classes, *(train.image_shape if train.segmentation else ()))
        if tuple(found.shape) != wanted:
            told = (
                f"{found.shape[1]} classes for each of {found.shape[-2]} x {found.shape[-1]} pixels"
                if found.ndim == 4
                else f"{found.shape[-1]} classes of whole images"
            )
            has = (
                f"of each of {train.image_shape[0]} x {train.image_shape[1]} pixels"
                if train.segmentation
                else "of whole images"
            )
            raise OpticsError(
                f"{what} gives {told}, and {self.config.data.source} has {train.classes} classes {has}; change {key}."
            )

    @property
    def export_count(self) -> int:
        """Reference images of an export: as many as the configuration says, and at most all of the test part."""
        return min(self.config.export.count, len(self.splits.test))

    def check_exportable(self) -> None:
        """Raise OpticsError unless the network can be put on the bench and exported, before anything is trained.

        With `export.count = 0` it need not be exportable.
        """
        if self.config.export.count > 0:
            self._check_files()
        untrained = Student.from_spec(self.spec)
        self.on_bench(untrained, self.bench, calibrated=False)

    def _check_files(self) -> None:
        try:
            check_levels(self.bench)
        except OpticsError as error:
            raise OpticsError(
                f"{str(error).removesuffix('.')}, or export.count = 0 to do without files."
            ) from None
        driver_table(self.bench)  # a file that cannot be had is told here
        check_images(self.spec.backend.model_dump() | {"classes": self.spec.classes}, self.splits.test)

    @property
    def image_shape(self) -> tuple[int, int]:
        """(H, W) of the images."""
        return self.splits.train.image_shape

    def path(self, step: str) -> Path:
        """The folder of a training step."""
        return self.directory / step

    @staticmethod
    def repeat(step: str, index: int) -> str:
        """The step's folder of its `index`-th training; the first is the step's own."""
        return f"{step}/repeat-{index}" if index else step

    # ------------------------------------------------------------------ models

    @cached_property
    def device(self) -> torch.device:
        """What the models compute on.

        Raises:
            SpecError: it is not here.
        """
        return find(self.elsewhere or self.config.device)

    def on_cpu(self) -> Job:
        """The same job whose models compute on the CPU: files and pictures are made there."""
        return replace(self, elsewhere="cpu")

    @property
    def task(self) -> Task:
        """What the networks are asked for."""
        return task_of(self.splits, self.config.student.backend.kind)

    @property
    def spec(self) -> StudentSpec:
        """The student that the configuration describes, for these images."""
        return self.config.student.spec(self.image_shape, self.splits.train.classes)

    def build(
        self, control: Control | None, generator: torch.Generator, repeat: int = 0
    ) -> Student | RawImage:
        """An untrained network: the student (None) or one of its controls.

        repeat: the training whose distilled network is shuffled.
        """
        if control == "shuffled":
            trained = load_student(self.path(self.repeat("linear_kd", repeat)) / MODEL)
            return shuffled(trained, generator=generator).to(self.device)
        spec = self.spec.as_control(control)
        if control == "raw_image":
            return RawImage.from_spec(spec, generator=generator).to(self.device)
        return Student.from_spec(spec, generator=generator).to(self.device)

    def network(self, step: str) -> Student | RawImage:
        """The trained network of a step, that of the control without optics included; see `student`."""
        return (
            self.student(step)
            if step == "linear_kd"
            else load_network(self.path(step) / MODEL).to(self.device)
        )

    def trainee(self, network: nn.Module) -> nn.Module:
        """What is trained: the network, or the network on draws of the bench where the configuration asks for it.

        A network that stands on no bench is trained as it is.
        """
        told = self.config.student.noise_aware
        if told is None or not isinstance(network, Student):
            return network
        way = self.config.student.realisation.options() | {"oversampling": told.oversampling}
        return NoiseAware(network, self.bench, tolerance=told.tolerance, image_shape=self.image_shape, **way)

    def teacher(self) -> nn.Module:
        """The trained teacher, or the one that the user brings."""
        if self.brought:
            names = self.splits.train.class_names
            inner = None if self.module is None else given_teacher.copied(self.module)
            return given_teacher.given(self.config.teacher, names, inner=inner).to(self.device)
        return load_teacher(self.path("teacher") / MODEL).to(self.device)

    def tutor(self) -> nn.Module | None:
        """Whose answers the back end is fitted to on the bench, `refit.taught_by`: the teacher's, or the network's own.

        The network's own are those where it is computed, off the bench: they need no label, and the bench should give
        them. A network from a file has no teacher: None.
        """
        if self.config.refit.taught_by == "network":
            return self.student("linear_kd").eval()
        return None if self.config.student.file else self.teacher()

    def student(self, step: str) -> Student:
        """The trained network of a step: linear, linear_kd, random_masks, no_mask or refit.

        Where the configuration names a file, its network is that of linear_kd.
        """
        if step == "linear_kd" and self.config.student.file is not None:
            return load_student(Path(self.config.student.file)).to(self.device)
        return load_student(self.path(step) / MODEL).to(self.device)

    def on_bench(self, student: Student, bench: BenchSpec, *, calibrated: bool = True) -> OnBench:
        """A network on a bench, in `eval` mode; counts become photons by the calibrated camera, or the data sheet's."""
        assumed = self.assumed_camera() if calibrated else None
        way = self.config.student.realisation.options()
        return student.on(bench, image_shape=self.image_shape, assumed_camera=assumed, **way).eval()

    # ------------------------------------------------------------------ camera

    def assumed_camera(self) -> CameraSpec | None:
        """The camera by which counts become photons, as calibrated; None is the data sheet's."""
        found = self.calibration or read_json(self.directory / "calibration.json")
        told = found["assumed"] if "assumed" in found else found["believed"]  # as older runs have it
        return None if told is None else CameraSpec.model_validate(told)


def _pooled(splits: Splits, told: DataConfig, seed: int) -> Splits:
    """The parts with so many labels as the configuration leaves, and with the images that came without any."""
    generator = torch.Generator().manual_seed(seed)
    if told.labelled is not None and told.labelled != "all":
        splits = unlabelled.hide(splits, told.labelled, generator, apart=bool(told.held_out))
    if told.unlabelled is not None:
        options = Options(told.size, told.grey, told.white, told.axes)
        images = unlabelled.pool(told.unlabelled, options, limit=told.limit, generator=generator)
        splits = replace(splits, train=unlabelled.joined(splits.train, images))
    return splits
