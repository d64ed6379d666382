"""One run kept: its numbers, how it trained, its bench network, a picture, and a manifest with their sha256.

    results/cifar10-seed1/
      kept.json            what the others are, and where they come from
      result.json          every number of the run
      config.toml          how to make it again: sclc run config.toml (data by name: beside it, or in SCLC_DATA)
      history.csv          every epoch of every training
      network.safetensors  the network of the bench's rows, for `sclc evaluate|export|study`; where it is small enough
      rows.png             the rows with their errors

and the files that describe the bench, where the configuration names any. Two megabytes at most, see `MOST`: a network
or a file that is larger is left out, and `kept.json` says so.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError, field_validator

from distill.environment import version
from distill.job.about import KEPT
from distill.job.config import RunConfig
from distill.job.job import MODEL
from distill.job.ledger import CONFIG, LEDGER, RESULT, going_on, key_of, read_json
from distill.job.named_files import with_names
from distill.job.result import Result
from distill.job.rows import TRAINED
from distill.metrics.row import Row
from distill.training.checkpoint import load_network
from networks import Student
from optics.errors import OpticsError
from optics.files import make_folder, write_bytes, write_json, write_text, writing_folder
from optics.plots.charts import Curve, bars, panels
from optics.reading import damaged, home, read_bytes, sha256_of
from optics.spec import Validated, validated

MOST = 2_000_000  # bytes of a network, or a file of the bench, that is kept
HISTORY, NETWORK, PICTURE = "history.csv", "network.safetensors", "rows.png"
_OURS = (KEPT, CONFIG, RESULT, HISTORY, NETWORK, PICTURE)
_ANY_RUN = (
    "name",
    "seed",
    "flaws",
    "verify",
    "export",
    "evaluation",
)  # keys that say nothing of what is trained and measured


_ANEW = "keep the run anew: sclc results RUN --overwrite."


class KeptRun(Validated):
    """`kept.json`.

    name, seed: of the run. recipe: hash of its configuration without seed, controls and noise draws, by the rule of the
    version that kept it; repeats are told by `recipe_of` the configuration itself.
    channels: of the images, 1 is grey. parameters: of each network that was trained, optics and electronics apart.
    files: name to sha256. left_out: what was too large to keep.
    """

    name: str
    seed: int
    recipe: str
    channels: int
    image_shape: tuple[int, int]
    masks: int
    parameters: dict[str, tuple[int, int]]
    made_by: str
    files: dict[str, str]
    left_out: tuple[str, ...] = ()

    @field_validator("files")
    @classmethod
    def _inside(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if Path(name).name != name:
                raise ValueError(f"{name!r} does not lie inside the folder")
        return value


def keep(run: str | Path, folder: str | Path, *, overwrite: bool = False) -> KeptRun:
    """Keep a finished run in a folder of its own inside `folder`, whole or not at all.

    Args:
        run: the run's directory.
        folder: receives `NAME-seedN/`.
        overwrite: replace what was kept under this name.

    Raises:
        OpticsError: the run is not finished, or something else is kept under its name.
    """
    run, folder = home(run), home(folder)
    if not (run / RESULT).is_file():
        if not (run / LEDGER).is_file():
            raise OpticsError(f"{run} holds no run: neither {RESULT} nor {LEDGER} is there; check the path.")
        raise OpticsError(f"{run} has no {RESULT}; finish the run first: {going_on(run)}.")
    result = Result.read(run / RESULT)
    config = RunConfig.model_validate(result.config)
    name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', result.name).strip('-.') or 'run'}-seed{config.seed}"
    place = folder / name
    if place.exists() and not overwrite:
        if (place / KEPT).is_file() and read_json(place / RESULT, fix="add --overwrite.")[
            "finished"
        ] == result.finished:
            return read_kept(place)
        raise OpticsError(f"{place} is there already; add --overwrite, or give the run another name.")
    make_folder(folder)
    with writing_folder(place) as inside:
        return _write(run, inside, result, config)


def _write(run: Path, place: Path, result: Result, config: RunConfig) -> KeptRun:
    left_out: list[str] = []
    config = _portable(config, place, left_out)
    data = result.data | {"source_name": config.data.source}
    result.replace(config=config.model_dump(mode="json"), data=data).write(place / RESULT)
    write_text(place / CONFIG, config.to_toml())
    networks = {n: run / n / MODEL for n in (*TRAINED[1:], "refit") if (run / n / MODEL).is_file()}
    write_text(place / HISTORY, _history(run))
    write_bytes(place / PICTURE, picture_of(result))
    best = networks.get("refit")
    if best is not None and best.stat().st_size <= MOST:
        write_bytes(place / NETWORK, best.read_bytes())
    elif best is not None:
        left_out.append(f"{NETWORK} ({best.stat().st_size} bytes)")
    parameters = {name: parameters_of(path) for name, path in networks.items()}
    student = load_network(best) if best is not None else None
    shape = result.data["image_shape"]
    kept = KeptRun(
        name=result.name,
        seed=config.seed,
        recipe=recipe_of(config),
        channels=config.student.cascade.channels[0],
        image_shape=(int(shape[0]), int(shape[1])),
        masks=student.cascade.out_channels if isinstance(student, Student) else 0,
        parameters=parameters,
        made_by=version(),
        files={p.name: sha256_of(p) for p in sorted(place.iterdir())},
        left_out=tuple(left_out),
    )
    write_json(place / KEPT, kept.model_dump(mode="json"))
    return kept


def recipe_of(config: RunConfig) -> str:
    """What runs have in common that are repeats of each other.

    One may have controls that another goes without, or that learned otherwise, and more noise draws: each is a row's
    mean over its own.
    """
    # without defaults: a key that a later version adds makes no other recipe of an older run
    told = config.model_dump(mode="json", exclude=set(_ANY_RUN), exclude_defaults=True)
    for beside in ("controls", "distilled_controls"):
        told.get("student", {}).pop(beside, None)
    return key_of(told)


def _portable(config: RunConfig, place: Path, left_out: list[str]) -> RunConfig:
    """The same without paths of this machine: every file by its name, those that describe the bench beside it."""

    def kept(key: str, name: str) -> str:
        file = home(name)
        if not key.startswith("bench.") or not file.is_file():
            return file.name
        content = read_bytes(file)
        if len(content) > MOST:
            left_out.append(f"{file.name} ({len(content)} bytes)")
            return file.name
        beside = place / file.name
        if beside.name in _OURS or (beside.exists() and beside.read_bytes() != content):
            beside = place / f"{key}-{file.name}"
        write_bytes(beside, content)
        return beside.name

    return with_names(config, kept)


def parameters_of(path: Path) -> tuple[int, int]:
    """Real numbers that the optics and the electronics hold."""
    network = load_network(path)
    optics = network.cascade if isinstance(network, Student) else None
    inside = 0 if optics is None else sum(p.numel() for p in optics.parameters())
    return inside, sum(p.numel() for p in network.backend.parameters())


def _history(run: Path) -> str:
    """All trainings' epochs as one table with the network's name before them."""
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for path in sorted(run.glob("*/history.csv")) + sorted(run.glob("*/repeat-*/history.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                line = {"network": path.parent.relative_to(run).as_posix(), **row}
                if writer is None:
                    writer = csv.DictWriter(out, list(line), extrasaction="ignore", lineterminator="\n")
                    writer.writeheader()
                writer.writerow(line)
    return out.getvalue()


def picture_of(result: Result) -> bytes:
    """The rows with their errors, PNG."""
    rows = result.rows.by_name()
    figure, (axes,) = panels(0, [0.34 * len(rows) + 0.8])
    bars(axes, list(result.titles().values()), [_bars(rows)], x=f"{result.rows.bench_refit.metric} (%)")
    figure.savefig(out := io.BytesIO(), format="png", dpi=100)
    return out.getvalue()


def _bars(rows: Mapping[str, Row]) -> Curve:
    values = tuple(100 * row.accuracy for row in rows.values())
    errors = tuple(100 * row.uncertainty for row in rows.values())
    return Curve(
        "± standard error of the number of images",
        tuple(float(k) for k in range(len(values))),
        values,
        errors,
    )


def read_kept(place: str | Path) -> KeptRun:
    """What was kept in `place`, every file checked against the manifest.

    Raises:
        OpticsError: nothing was kept there, or a file is missing or was changed; one line.
    """
    place = home(place)
    if not (place / KEPT).is_file():
        raise OpticsError(f"{place} holds no kept run; keep a finished one: sclc results RUN.")
    try:
        kept = validated(KeptRun, read_json(place / KEPT, fix=_ANEW))
    except ValidationError as error:
        raise damaged(place / KEPT, error, fix=_ANEW) from None
    for name, digest in kept.files.items():
        if not (place / name).is_file():
            raise OpticsError(f"{place / name} is missing; {KEPT} lists it.")
        if sha256_of(place / name) != digest:
            raise OpticsError(f"{place / name} was changed: its sha256 is not the one in {KEPT}.")
    return kept
