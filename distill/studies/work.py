"""The work of a study's folder: cells that share their light, in any process that can see the folder.

plan.json             which cells there are
network.safetensors   the network
images.h5             the images; for refits also those of the training, and what the teacher says of them; for faces
                      those of the people who are known
cells/KEY.h5          what a cell gave: whole or absent, so that nothing finished is ever repeated
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from distill.data.dataset import Dataset
from distill.job.ledger import key_of
from distill.metrics.tasks import Classes, Known, People, Pixels, Strangers, Task
from distill.studies.cells import Cell, Conditions, Plan
from distill.studies.light import Exposure, Eye, Lit, SharedLight, optical_bench
from distill.studies.outcomes import Outcome, write_outcome
from distill.training.checkpoint import load_student, save
from distill.training.evaluation import answers_from
from distill.training.train_loop import fit
from networks import Student
from optics.checks import present
from optics.devices import CPU, device_of, find
from optics.errors import OpticsError
from optics.files import make_folder, write_hdf5, write_text
from optics.reading import check_size, damaged, from_json, read_bytes, reading, regular_file

PLAN, NETWORK, IMAGES = "plan.json", "network.safetensors", "images.h5"
_USES = {"test": 0, "train": 1, "validation": 2, "gallery": 3}  # of images; part of what the seed means
_MOST_BYTES = 2**29  # of a plan
_APART = 1 << 20  # between the seeds of two uses; draws are fewer


@dataclass(frozen=True, eq=False)
class Answers:
    """Images with their labels, and for a training what the teacher says: logits (N, classes)."""

    images: Tensor
    labels: Tensor
    taught: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """What a study is about: a network, test images, and for refits training and validation images.

    gallery: pictures of people who are known, among whom an embedder finds those of the test images; without them it
    compares the test images with each other.
    """

    student: Student
    test: Answers
    train: Answers | None = None
    validation: Answers | None = None
    gallery: Answers | None = None

    @property
    def task(self) -> Task:
        """What the network is asked for, and how that is scored."""
        if self.student.spec.backend.kind == "embedder":
            return Strangers() if self.gallery is None else People()
        return Classes() if self.test.labels.ndim == 1 else Pixels()

    def with_images(self, count: int) -> Subject:
        """The same with the first so many test images.

        Where they are of people who were never seen: all pictures of the first people who have no more together, two
        people at least; a picture whose person has no other can never be found.
        """
        people = self.task.people(self.test.labels)
        if people is None:
            return replace(self, test=Answers(self.test.images[:count], self.test.labels[:count]))
        each = list(dict.fromkeys(people.tolist()))
        taken = max(
            (k for k in range(len(each) + 1) if _pictures(people, each[:k]).sum() <= count), default=0
        )
        mine = _pictures(people, each[: max(2, taken)])
        return replace(self, test=Answers(self.test.images[mine], self.test.labels[mine]))

    def judged(self, plan: Plan) -> Plan:
        """The plan with what its scores are, and of whom."""
        people = self.task.people(self.test.labels)
        told = None if people is None else tuple(int(p) for p in people)
        return plan.replace(figure=self.task.metric, people=told)

    def write(self, folder: Path) -> None:
        """Put it into a study's folder."""
        make_folder(folder)
        save(self.student, folder / NETWORK)
        arrays: dict[str, tuple[Any, dict[str, Any]]] = {}
        for name in _USES:
            part: Answers | None = getattr(self, name)
            if part is None:
                continue
            arrays[f"{name}/images"] = (
                part.images.cpu().numpy(),
                {"meaning": "amplitude on the display, 0 to 1"},
            )
            arrays[f"{name}/labels"] = (part.labels.cpu().numpy(), {})
            if part.taught is not None:
                arrays[f"{name}/taught"] = (
                    part.taught.detach().cpu().numpy(),
                    {"meaning": "the teacher's logits"},
                )
        write_hdf5(folder / IMAGES, arrays)

    @classmethod
    def read(cls, folder: Path, device: torch.device = CPU) -> Subject:
        """What `write` wrote, the network on a device; its images go there part by part.

        Raises:
            OpticsError: a file is absent or damaged.
        """
        student, path = load_student(folder / NETWORK).to(device), folder / IMAGES
        with (
            reading(path, "a study's images", fix="begin the study anew."),
            h5py.File(regular_file(path), "r") as file,
        ):
            parts = {name: _answers_in(file[name], path, student) for name in _USES if name in file}
        if "test" not in parts:
            raise OpticsError(f"{path} has no test images; begin the study anew.")
        return cls(student=student, **parts)

    def on_cpu(self) -> Subject:
        """The same with the network on the CPU, a copy where it is elsewhere."""
        if device_of(self.student) == CPU:
            return self
        return replace(self, student=copy.deepcopy(self.student).cpu())

    def digests(self) -> tuple[str, str]:
        """Hashes of the network and of the images."""
        weights = {k: _digest(v) for k, v in self.student.state_dict().items()}
        images: dict[str, Any] = {}
        for name in _USES:
            part: Answers | None = getattr(self, name)
            values = () if part is None else (part.images, part.labels, part.taught)
            images[name] = [_digest(v) for v in values if v is not None]
        if not images["gallery"]:  # a study of classes keeps the name that it had before there were any
            del images["gallery"]
        if isinstance(self.task, Strangers):
            images["task"] = self.task.name
        return key_of(weights, self.student.spec.model_dump(mode="json")), key_of(images)


def _pictures(people: Tensor, some: list[int]) -> Tensor:
    """Whether each picture shows one of some people, (N,)."""
    return torch.isin(people, torch.tensor(some, dtype=people.dtype))


def _answers_in(group: h5py.Group, path: Path, student: Student) -> Answers:
    """One part of the images, checked as data sets are."""
    found = {}
    for name in ("images", "labels", "taught"):
        values = group.get(name)
        if isinstance(values, h5py.Dataset) and values.shape is not None and values.dtype.kind in "fi":
            check_size(f"{path}: {values.name}", values.shape)
            found[name] = torch.from_numpy(values[()])
    classes = student.spec.classes
    if student.spec.backend.kind == "embedder" and "labels" in found:  # they may be people whom it never saw
        classes = max(classes, int(found["labels"].max()) + 1)
    whole = Dataset(found["images"], found["labels"], tuple(map(str, range(classes))), str(path))
    if whole.channels != student.cascade.in_channels:
        raise OpticsError(f"{path}: its images have {whole.channels} channels, the network takes others.")
    taught = found.get("taught")
    wanted = (
        len(whole),
        student.spec.classes,
        *whole.labels.shape[1:],
    )  # of pixels where they have the labels
    if taught is not None and (tuple(taught.shape) != wanted or not taught.isfinite().all()):
        raise OpticsError(f"{path}: what the teacher says does not fit the images.")
    return Answers(whole.images, whole.labels, taught)


def _digest(tensor: Tensor) -> str:
    import hashlib

    values = tensor.detach().cpu().contiguous().numpy()
    return hashlib.sha256(repr((values.shape, str(values.dtype))).encode() + values.tobytes()).hexdigest()


def write_plan(folder: Path, plan: Plan) -> None:
    """Put the plan into the folder."""
    write_text(folder / PLAN, plan.model_dump_json(indent=1) + "\n")


def read_plan(folder: Path) -> Plan:
    """The plan of a study's folder.

    Raises:
        OpticsError: there is none, or it is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        raise OpticsError(f"{folder} holds no study: {PLAN} is missing; begin one with `sclc study RUN`.")
    data = read_bytes(path, most=_MOST_BYTES)
    with reading(path, "a study's plan", fix="begin the study anew."):
        try:
            return Plan.model_validate(from_json(data))
        except ValidationError as error:
            raise damaged(path, error, fix="begin the study anew.") from None


def opened(folder: Path) -> tuple[Plan, Subject]:
    """The plan of a study's folder and what it is about, the network on the plan's device.

    Raises:
        OpticsError: no study is there, a file is damaged, or the device is not here.
    """
    plan = read_plan(folder)
    return plan, Subject.read(folder, find(plan.device))


def bundles(cells: Iterable[Cell]) -> list[list[Cell]]:
    """Cells that share their light, together; in the order in which each light is first needed."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        light = key_of(optical_bench(cell.bench).model_dump(mode="json"))
        found.setdefault(light, []).append(cell)
    return list(found.values())


# ---------------------------------------------------------------------- one bundle


def work(
    folder: Path, subject: Subject, conditions: Conditions, cells: Sequence[Cell], done: Callable[[str], None]
) -> None:
    """Do cells that share their light, and keep each; one thread, so that the numbers are the same everywhere.

    Args:
        folder: the study's.
        subject: what the study is about.
        conditions: what all cells share.
        cells: of one of the `bundles`.
        done: called with each key.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            for cell, outcome in _outcomes(subject, conditions, cells):
                write_outcome(folder, cell.key, outcome)
                done(cell.key)
    finally:
        torch.set_num_threads(threads)


def _outcomes(
    subject: Subject, conditions: Conditions, cells: Sequence[Cell]
) -> Iterable[tuple[Cell, Outcome]]:
    student, shape = subject.student, (subject.test.images.shape[-2], subject.test.images.shape[-1])
    shared = SharedLight(student, optical_bench(cells[0].bench), conditions.realisation, shape)
    lit = list(shared.of(subject.test.images))
    enrolled = [] if subject.gallery is None else list(shared.of(subject.gallery.images))
    learnt: dict[str, list[Lit]] = {}
    if conditions.refit is not None:
        for use in ("train", "validation"):
            part: Answers | None = getattr(subject, use)
            if part is None:
                raise OpticsError("this study has no training images to refit with; begin it anew.")
            learnt[use] = list(shared.of(part.images))
    for cell in cells:
        start = time.perf_counter()
        electronics = (
            None
            if cell.student is None
            else Student.from_spec(cell.student, generator=torch.Generator().manual_seed(conditions.seed)).to(
                shared.device
            )
        )
        bins = (electronics or student).readout.camera.bins
        eye = Eye(shared, cell.bench, bins)
        features, exposure = _features(eye, lit, conditions, "test", conditions.draws)
        known = _features(eye, enrolled, conditions, "gallery", 1)[0] if enrolled else None
        as_is = refit = predictions = None
        if electronics is None:
            as_is, predictions = _scores(subject, student.backend, features, known)
        if conditions.refit is not None:
            backend = _refitted(eye, learnt, subject, conditions, (electronics or student).backend)
            refit, predictions = _scores(subject, backend, features, known)
        yield cell, Outcome(as_is, refit, predictions, exposure, time.perf_counter() - start)


def _features(
    eye: Eye, lit: Sequence[Lit], conditions: Conditions, use: str, draws: int
) -> tuple[Tensor, Exposure]:
    """Features (draws, N, maps, by, bx); one draw where nothing is drawn."""
    draws = draws if eye.drawn else 1
    seeds = [conditions.seed + k + 3 * _APART * _USES[use] for k in range(draws)]
    streams = [[torch.Generator().manual_seed(s + _APART * part) for part in range(3)] for s in seeds]
    frames, panels = len(eye.shared.on_bench.drives()[0].asked), eye.shared.panels
    if panels > 1:
        frames = len(eye.shared.light.scales)
    made: list[list[Tensor]] = [[] for _ in range(draws)]
    seen = []
    for part in lit:
        sums, exposure = eye.expect(part)
        seen.append(exposure)
        for k, (ripples, groups, pixels) in enumerate(streams):
            normal = torch.randn(frames, panels, generator=ripples, dtype=torch.float64)
            ripple = normal * (eye.bench.slm.flicker / (2 * torch.pi))
            made[k].append(eye.features(sums, ripple, (groups, pixels)).cpu())
    first = max(seen, key=lambda e: e.saturated)
    return torch.stack([torch.cat(parts) for parts in made]), first


def _refitted(
    eye: Eye, lit: dict[str, list[Lit]], subject: Subject, conditions: Conditions, backend: nn.Module
) -> nn.Module:
    refit = present(conditions.refit, "the refit of a study")
    learn, check = present(subject.train, "training images"), present(subject.validation, "validation images")
    seen, _ = _features(eye, lit["train"], conditions, "train", 1)
    held, _ = _features(eye, lit["validation"], conditions, "validation", 1)
    made = copy.deepcopy(backend)
    for parameter in made.parameters():
        parameter.requires_grad_(True)
    with torch.enable_grad():
        fit(
            made,
            (seen[0], learn.labels),
            (held[0], check.labels),
            refit,
            directory=None,
            teacher=learn.taught,
        )
    return made.eval()


def _scores(
    subject: Subject, backend: nn.Module, features: Tensor, known: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """How well each image went in each draw, (draws, N) from 0 to 1; and the predicted classes of whole images.

    known: features (1, G, maps, by, bx) of the gallery, which is exposed once, as in a run's rows.
    """
    task = subject.task
    found, gallery = answers_from(task, backend, features), None
    if known is not None:
        people = present(subject.gallery, "people who are known")
        gallery = Known(answers_from(task, backend, known), people.labels)
    scores = task.per_image(found, subject.test.labels, gallery)
    return scores, found if isinstance(task, Classes) else None
