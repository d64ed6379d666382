"""What a run is to do: one TOML file, validated, with `--set key=value` on top. `docs/run-config.md` lists every key.

    name = "digits on my bench"
    [student.cascade]
    channels = [1, 8, 16, 16]
    [bench]
    source = "pluto2-200mm"          # a shipped bench, or the path of a bench file
    [bench.slm]                      # keys here replace those of the bench
    crosstalk = 0.5

Every key has a default, so that a file holds what differs. Unknown keys are refused with file, line and known keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from distill.job import toml as settings
from distill.job.moved_keys import SHORT_KEYS, in_their_tables
from distill.job.named_files import check_bench, located
from distill.job.toml import Overlaid, Said, Table
from distill.training.checkpoint import load_spec
from distill.training.spec import TrainSpec
from distill.verify.verdict import Limits
from networks.students.parts import BackendSpec, CascadeSpec, ReadoutSpec, RealisationSpec
from networks.students.spec import Control, StudentSpec
from networks.teachers import registry as teachers
from optics.bench.files import bench_from_dict, find_bench, load_bench, merged
from optics.bench.spec import BenchSpec
from optics.bench.tolerance import ToleranceSpec
from optics.errors import SpecError
from optics.reading import home
from optics.recognise import check
from optics.spec import Seed, Validated
from optics.toml_errors import Lines, parse

ASSETS = Path(__file__).parents[1] / "assets"


def _none_for_all(labelled: Any) -> Any:
    return None if labelled == "all" else labelled


class DataConfig(Validated):
    """The images. source: a name or a path (`distill.data.sources`). validation: share cut from the training part.

    limit: at most so many training and so many test images. size: (H, W) to resize to. grey: colour to grey. target:
    which answers, where a source has several. ignore: labels, or names of classes, that count nowhere. axes: "nhwc" or
    "nchw" of arrays whose shape does not tell. white: stored value of full white. subset: of an HDF5 file with several
    sets, the one whose parts are called "SUBSET_train", "SUBSET_test". strangers: so many classes, drawn by the seed,
    are kept out of training, and their images are the test part. held_out: the training images whose files' names begin
    so are the validation part. labelled: how many labels of training and validation part are left, or which share
    (below 1). unlabelled: a further source of images without labels. `docs/data.md` has the rules.
    """

    source: str = "digits"
    validation: float = Field(default=0.1, gt=0.0, lt=1.0)
    limit: int | None = Field(default=None, ge=20)
    size: tuple[int, int] | None = None
    grey: bool = False
    target: str | None = None
    ignore: tuple[int | str, ...] = ()
    axes: Literal["nhwc", "nchw"] | None = None
    white: float | None = Field(default=None, gt=0.0)
    subset: str | None = None
    strangers: int | None = Field(default=None, ge=2)
    held_out: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    labelled: Annotated[
        Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0.0, lt=1.0)] | Literal["all"] | None,
        BeforeValidator(_none_for_all),
    ] = None
    unlabelled: str | None = None


class TeacherConfig(Validated):
    """The nonlinear teacher: a name (`networks.teachers.registry`) and its training, or one that the user brings.

    file: an exported program (`torch.export.save`), whose file runs no code. module: "my.py:Net", a file that is run,
    and what in it makes the network, by its arguments `options`; weights: of that, `*.safetensors` or a state
    dictionary. A teacher that is brought is not trained. image_size, channels: that it takes. mean, std: what its
    images, of 0 to 1, are normalised by. classes: its classes in its own order, by the data's names. check: refuse one
    that answers as if at random on the validation part. passed: the sha256 of a network that Python passed; set by
    `distill.run`.
    """

    name: str = "lenet5"
    training: TrainSpec = TrainSpec()
    file: str | None = None
    module: str | None = None
    weights: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    image_size: tuple[int, int] | None = None
    channels: Literal[1, 3] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    classes: tuple[str, ...] | None = None
    check: bool = True
    passed: str | None = None

    @property
    def given(self) -> bool:
        """Whether the user brings it."""
        return any(name is not None for name in (self.file, self.module, self.passed))

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return self.file or self.module or (self.name if self.passed is None else "that was passed")

    @model_validator(mode="after")
    def _known(self) -> TeacherConfig:
        if told := self.training.distillation.model_dump(exclude_defaults=True):
            raise ValueError(
                f"teacher.training.distillation.{next(iter(told))} says nothing, as a teacher has no teacher; write it "
                "into [student.distillation]"
            )
        if self.name not in teachers.teacher_names():
            raise ValueError(
                f"no teacher is called {self.name!r}; known: {', '.join(teachers.teacher_names())}"
            )
        if self.file is not None and self.module is not None:
            raise ValueError("teacher.file and teacher.module are two teachers; give one")
        if self.module is not None and self.weights is None:
            raise ValueError("teacher.module needs teacher.weights: a teacher that is brought is not trained")
        if self.module is None and (self.weights is not None or self.options):
            raise ValueError("teacher.weights and teacher.options belong to a teacher.module")
        if any(value == 0 for value in self.std):
            raise ValueError("teacher.std is what values are divided by; it cannot be 0")
        return self


class NoiseAwareConfig(Validated):
    """Training with the bench in the loop: each step meets another draw of its noise and of its alignment.

    tolerance: standard deviations of the alignment about the bench's own, see `optics.bench.tolerance`; without it
    only the camera's noise (and the panel's flicker) is drawn. oversampling: camera samples per input pixel; 1 is
    quick and sees the light at the pixels' centres, 2 that of whole pixels.
    """

    tolerance: ToleranceSpec = ToleranceSpec()
    oversampling: int = Field(default=1, ge=1)


_PARTS = ("cascade", "readout", "backend")
_ANY_SHAPE = (1, 1)  # of images, where only the parts are compared


class StudentConfig(Validated):
    """The linear optical network, and the controls that share its sizes.

    cascade, readout, backend, realisation: its parts and its way onto the bench, see `networks.students.parts`; keys
    of the first three may also stand without their table (`networks.students.spec.spread`). training: of `linear`
    and, with the teacher, of `linear_kd`; its table `distillation` may also stand here. noise_aware: train
    them on draws of the bench, all that can stand there. distilled_controls: train the controls with the teacher too,
    so that only the optics differ. repeats: independent trainings (first values, order of the images) behind each row
    that needs no bench; the first goes on the bench. controls: those that are trained beside it. file: a network that
    was trained before, as `distill.save` wrote it: nothing is trained, and its parts are the file's.
    """

    file: str | None = None
    cascade: CascadeSpec = CascadeSpec()
    readout: ReadoutSpec = ReadoutSpec()
    backend: BackendSpec = BackendSpec()
    realisation: RealisationSpec = RealisationSpec()
    training: TrainSpec = TrainSpec()
    noise_aware: NoiseAwareConfig | None = None
    distilled_controls: bool = True
    repeats: int = Field(default=1, ge=1, le=100)
    controls: tuple[Control, ...] = ("random_masks", "no_mask")

    def spec(self, image_shape: tuple[int, int], classes: int) -> StudentSpec:
        """The network for images of that shape, (ny, nx), and so many classes."""
        return StudentSpec(**{p: getattr(self, p) for p in _PARTS}, image_shape=image_shape, classes=classes)

    def of_file(self, file: str | Path) -> StudentConfig:
        """The same with the network of a file, whatever the parts said before.

        Raises:
            OpticsError: no such file, or not a student's.
        """
        told = load_spec(file).complete()
        return self.replace(file=str(file), **{name: getattr(told, name) for name in _PARTS})


class BenchConfig(Validated):
    """The realistic bench. source: a shipped bench's name or a file; the tables replace single keys of it."""

    source: str = "pluto2-200mm"
    light: dict[str, Any] = Field(default_factory=dict)
    input: dict[str, Any] = Field(default_factory=dict)
    lens1: dict[str, Any] = Field(default_factory=dict)
    stop: dict[str, Any] = Field(default_factory=dict)
    slm: dict[str, Any] = Field(default_factory=dict)
    encoding: dict[str, Any] = Field(default_factory=dict)
    lens2: dict[str, Any] = Field(default_factory=dict)
    camera: dict[str, Any] = Field(default_factory=dict)
    assumed_camera: dict[str, Any] = Field(default_factory=dict)
    alignment: dict[str, Any] = Field(default_factory=dict)
    assumed_alignment: dict[str, Any] | Literal["known"] = Field(default_factory=dict)
    mounting: dict[str, Any] = Field(default_factory=dict)

    def resolve(self, *, said: Said | None = None) -> BenchSpec:
        """The bench as it will be used.

        Args:
            said: where the keys of these tables were said; errors name that place.

        Raises:
            SpecError: no such bench, or a key or value that it does not take.
        """
        changes = {k: v for k, v in self.model_dump(exclude={"source"}).items() if v}
        if not changes:
            return load_bench(self.source)
        data, lines = parse(path := find_bench(self.source))
        overlaid = Overlaid(str(path), lines, changes, said, ("bench",))
        return bench_from_dict(
            merged(data, changes), source=f"[bench] on {self.source!r}", lines=overlaid, search=path.parent
        )


class CalibrationConfig(Validated):
    """Radiometry of the camera: light levels of flat fields, exposures at each (once called `frames`, still read).

    Levels go to 1.5 times saturation; of fewer than five only one lies in the part that is fitted.
    """

    levels: int = Field(default=24, ge=5)
    exposures: int = Field(default=8, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _renamed(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and "frames" in data and "exposures" not in data:
            return {("exposures" if key == "frames" else key): value for key, value in data.items()}
        return data


class RefitConfig(TrainSpec):
    """images: so many training images are exposed, each class in its share; all if absent. taught_by: `Job.tutor`."""

    images: int | None = Field(default=None, ge=20)
    taught_by: Literal["teacher", "network"] = "teacher"

    @model_validator(mode="after")
    def _of_electronics(self) -> RefitConfig:
        self.distillation.check_electronics("refit.distillation")
        return self


class EvaluationConfig(Validated):
    """draws: independent noise draws of each bench row, at least 2."""

    draws: int = Field(default=10, ge=2)


class FlawsConfig(Validated):
    """The report's small study: what mending each flaw of the bench alone would earn.

    images: the first so many test images; 0: no study. draws: exposures of each.
    """

    images: int = Field(default=100, ge=0)
    draws: int = Field(default=2, ge=1)


class ExportConfig(Validated):
    """count: reference images beside the masks, with the counts that the camera should give; 0: no files at all.

    Where the test part has fewer images, all of them are taken.
    """

    count: int = Field(default=200, ge=0)


class VerifyConfig(Validated):
    """How many reference images each engine runs (LightPipes: 0 leaves it out), and the limits that each must keep.

    agreement, wave_counts_error, lightpipes_counts_error: see `distill.verify.verdict.Limits`. processes: images that
    LightPipes works on at once; all processors when absent.
    """

    wave_images: int = Field(default=200, ge=1)
    lightpipes_images: int = Field(default=50, ge=0)
    agreement: float = Field(default=Limits().agreement, ge=0.0, le=1.0)
    wave_counts_error: float = Field(default=Limits().wave_counts_error, gt=0.0, le=1.0)
    lightpipes_counts_error: float = Field(default=Limits().lightpipes_counts_error, gt=0.0, le=1.0)
    processes: int | None = Field(default=None, ge=1)

    def limits(self) -> Limits:
        """What passes."""
        return Limits(**{name: getattr(self, name) for name in Limits.model_fields})


class RunConfig(Validated):
    """A whole run.

    seed: every random number follows from it. device: what computes, see `optics.devices.find`. tensorboard: write each
    training's epochs for it too.
    """

    name: str = "run"
    seed: Seed = 0
    device: str = "cpu"
    data: DataConfig = DataConfig()
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    bench: BenchConfig = BenchConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    refit: RefitConfig = RefitConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    flaws: FlawsConfig = FlawsConfig()
    export: ExportConfig = ExportConfig()
    verify: VerifyConfig = VerifyConfig()
    tensorboard: bool = False

    @model_validator(mode="after")
    def _enough(self) -> RunConfig:
        if not re.fullmatch(r"[a-z]+(:\d+)?", self.device):
            raise ValueError(f"device is {self.device!r}; expected cpu, cuda, cuda:1, mps or auto")
        most = max(self.verify.wave_images, self.verify.lightpipes_images)
        if most > self.export.count > 0:
            raise ValueError(
                f"verify asks for {most} images and export.count is {self.export.count}; export as many"
            )
        return self

    def to_toml(self) -> str:
        """The whole configuration as TOML, defaults included."""
        return settings.dump(self.model_dump())  # as Python's values: JSON has no infinity and no dates


def load(path: str | Path, *, sets: Sequence[str] = ()) -> RunConfig:
    """The configuration in a TOML file with `key=value` assignments on top.

    Bench and data files are looked for beside the file first. Without `name` the run is named after the file.

    Raises:
        SpecError: one line with file, line, key and what would be right, also of the bench's keys.
    """
    check(path := home(path), "run")
    table, lines = parse(path)
    return _made({"name": path.stem} | table, lines, sets=sets, source=str(path), folder=path.parent)


def demo(*, fast: bool = False, sets: Sequence[str] = ()) -> RunConfig:
    """The shipped demo's configuration; `fast` is the same job with smaller counts."""
    table, lines = parse(ASSETS / "demo.toml")
    if fast:
        table = merged(table, parse(ASSETS / "demo-fast.toml")[0])
    return _made(table, lines, sets=sets, source="demo.toml", folder=Path())


def changed(config: RunConfig, *, sets: Sequence[str], source: str, bench: str | None = None) -> RunConfig:
    """A configuration with another bench, where one is given, and with `key=value` assignments on top.

    Raises:
        SpecError: one line that names the assignment, or `source`, which is what errors call the configuration.
    """
    table = config.model_dump()
    if bench is not None:
        check_bench(bench, "--bench")
        table["bench"] = {"source": bench}
    return _made(table, None, sets=sets, source=source, folder=Path())


def _made(table: Table, lines: Lines | None, *, sets: Sequence[str], source: str, folder: Path) -> RunConfig:
    changes = [in_their_tables(settings.assignment(text)) for text in sets]
    said = Said(in_their_tables(table, lines), source, lines, sets, changes)
    config = _of_file(located(said.build(RunConfig, short_keys=SHORT_KEYS), folder, changes), said)
    check_bench(config.bench.source, f"{said.place(source, ('bench', 'source'))}: bench.source")
    config.bench.resolve(said=said)  # its errors can name their line only here
    return config


def _of_file(config: RunConfig, said: Said) -> RunConfig:
    """The same with the parts of the network in `student.file`, where there is one."""
    student = config.student
    if student.file is None:
        return config
    found, written = student.of_file(Path(student.file)), student.spec(_ANY_SHAPE, 1).complete()
    for name in _PARTS:
        part = getattr(student, name)
        if part != type(part)() and getattr(written, name) != getattr(found, name):
            place = said.place(said.source, ("student", name))
            raise SpecError(f"{place}: student.{name} is not that of {student.file}; leave it out.")
    return config.replace(student=found)
