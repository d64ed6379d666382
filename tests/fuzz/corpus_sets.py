"""Right inputs: archives of pictures, pictures without labels, captures of a network, a whole run, slmsuite's files."""

from __future__ import annotations

import functools
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image

from calibration.rigs.captures import Captures
from calibration.rigs.slmsuite_files import Kind, write_slmsuite
from distill.pipeline import main_job
from distill.training.captured import FEWEST
from networks.onbench.interface import FramedOptics
from networks.onbench.network import OnBench
from tests.calibration.benches import bench as calibration_bench
from tests.distill.exportbench import dataset, network

Files = dict[str, bytes]
Maker = Callable[[], Files]


def picture(k: int, shape: tuple[int, ...] = (6, 5)) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(k).integers(0, 256, shape, dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


# ---------------------------------------------------------------------- sclc data


def pictures_of_classes() -> Files:
    return {
        f"{part}/{'ab'[k % 2]}/{k}.png": picture(k + 10 * (part == "test"))
        for part in ("train", "test")
        for k in range(4)
    }


def zipped(*, stored: bool) -> Files:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, data in pictures_of_classes().items():
            archive.writestr(f"set/{name}", data)
    return {"x.zip": out.getvalue()}


def tarred(ending: str) -> Files:
    out = io.BytesIO()
    kind = ending.removeprefix("tar").removeprefix(".").replace("tgz", "gz")
    with tarfile.open(fileobj=out, mode=f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, data in pictures_of_classes().items():
            member = tarfile.TarInfo(f"set/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {f"x.{ending}": out.getvalue()}


def led(name: str) -> Files:
    """A zip archive of pictures, one of them under that name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for inside, data in pictures_of_classes().items():
            target.writestr(zipfile.ZipInfo(name if inside == "train/a/0.png" else inside), data)
    return {"x.zip": out.getvalue()}


def tarred_as(name: str) -> Files:
    """A tar archive of one picture under that name."""
    out, content = io.BytesIO(), next(iter(pictures_of_classes().values()))
    with tarfile.open(fileobj=out, mode="w") as target:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        target.addfile(member, io.BytesIO(content))
    return {"x.tar": out.getvalue()}


def packed(method: int) -> Files:
    """A zip archive of pictures compressed by that method."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as target:
        for inside, data in pictures_of_classes().items():
            target.writestr(inside, data)
    return {"x.zip": out.getvalue()}


def loose_pictures() -> Files:
    return {f"{'day' if k % 2 else 'day/night'}/{k}.png": picture(k) for k in range(6)}


def bare_images(group: str) -> Maker:
    def make() -> Files:
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            file[f"{group}images"] = np.random.default_rng(0).integers(0, 256, (8, 6, 5), dtype=np.uint8)
        return {"data.h5": out.getvalue()}

    return make


# ---------------------------------------------------------------------- refit and loop


@functools.cache
def on_bench() -> OnBench:
    """The network whose masks were captured."""
    return network()


def captured_network(*, labelled: bool) -> Maker:
    """Captures of that network's masks, on its own part of the sensor; the counts are drawn."""

    def make() -> Files:
        made, images = on_bench(), dataset(FEWEST + 4)
        assert isinstance(made.optics, FramedOptics)
        rows, columns = made.recorders[0].region
        levels = made.optics.levels()
        shape = (len(images), len(levels), rows.stop - rows.start, columns.stop - columns.start)
        captures = Captures(
            levels=levels.to(torch.int32),
            inputs=images.images[:, 0],
            counts=torch.from_numpy(np.random.default_rng(5).random(shape)).float() * 50,
            panel_corner=(0, 0),
            corner=(rows.start, columns.start),
            binning=made.bench.camera.binning,
            exposure=1e-2,
            times=torch.arange(float(shape[0] * shape[1])).double().reshape(shape[:2]),
            labels=images.labels if labelled else None,
            bench=made.bench.name,
        )
        with tempfile.TemporaryDirectory() as place:
            captures.save(Path(place) / "x.h5")
            return {"x.h5": (Path(place) / "x.h5").read_bytes()}

    return make


@functools.cache
def whole_run() -> Files:
    """A run up to its first network, as `refit`, `loop`, `evaluate` and `export` find it."""
    from tests.reliability.jobs import small

    with tempfile.TemporaryDirectory() as place:
        where = Path(place) / "run"
        main_job.run(small(), where, last="linear")
        return {
            str(p.relative_to(where)): p.read_bytes()
            for p in sorted(where.rglob("*"))
            if p.is_file() and p.name != ".lock"
        }


# ---------------------------------------------------------------------- slmsuite


def of_slmsuite(kind: Kind) -> Maker:
    def make() -> Files:
        with tempfile.TemporaryDirectory() as place:
            write_slmsuite(Path(place) / "x.h5", calibration_bench(), kind)
            return {"x.h5": (Path(place) / "x.h5").read_bytes()}

    return make


MAKERS: dict[str, list[Maker]] = {
    "archives": [
        lambda: zipped(stored=True),
        lambda: zipped(stored=False),
        *(lambda ending=ending: tarred(ending) for ending in ("tar", "tar.gz", "tgz", "tar.bz2", "tar.xz")),
    ],
    "pools": [loose_pictures, bare_images(""), bare_images("train/"), pictures_of_classes],
    "captured network": [captured_network(labelled=True), captured_network(labelled=False)],
    "whole run": [whole_run],
    "slmsuite": [of_slmsuite("pixel"), of_slmsuite("fourier")],
    "curves": [lambda: {"x.txt": b"50,100,200"}],
}
