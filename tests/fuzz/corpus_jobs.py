"""Right inputs of the commands: targets and folders of designs, studies, response tables, calibrations, archives."""

from __future__ import annotations

import functools
import io
import json
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from calibration.rigs.captures import Captures
from calibration.rigs.store import FrameStore
from calibration.twin.parameters import bench_parameters
from calibration.twin.result import TwinResult, estimates
from distill import design
from optics.bench.write import bench_text
from tests.calibration import benches as calibration
from tests.distill.designs.bench import PANEL, SHAPE
from tests.distill.designs.bench import bench as design_bench
from tests.distill.studies.studybench import quick

Files = dict[str, bytes]
Maker = Callable[[], Files]

VARIED = (
    "slm.bits=1..8", "light.photons=1e1..1e5:log", "slm.crosstalk=[0,0],[0.5,0.25]", "slm.flicker=0..0.4:5",
    "camera.read_noise=1,2.5,10", "alignment.mask_shift.y=0..2e-4", "lens1.zernike.4=0,0.1,0.3",
    "student.backend.hidden=[],[16]", "camera.adc.bits=8..14", "slm.modulation=phase", "bench.slm.bits=4,8",
)  # fmt: skip
BUILT_IN = (
    "gabor:count=3,size=5,period=4", "donut:radius=2,charge=-1", "line:length=5,angle=30,width=1.5", "gaussian:sigma=1",
    "random:count=2,size=3,seed=4", "sobel", "identity",
)  # fmt: skip


def text(words: str) -> Maker:
    return lambda: {"x.txt": words.encode()}


def folder(write: Callable[[Path], object]) -> Files:
    """What `write` leaves in a folder."""
    with tempfile.TemporaryDirectory() as place:
        target = Path(place) / "x"
        write(target)
        found = {str(p.relative_to(target)): p.read_bytes() for p in sorted(target.rglob("*")) if p.is_file()}
    return {name: data for name, data in found.items() if name != ".lock"}


# ---------------------------------------------------------------------- designs


def numbers(array: np.ndarray, name: str = "x.npy") -> Files:
    out = io.BytesIO()
    np.save(out, array)
    return {name: out.getvalue()}


def picture(shape: tuple[int, int], kind: str) -> Files:
    from PIL import Image

    out = io.BytesIO()
    grey = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    Image.fromarray(grey).save(out, kind)
    return {f"x.{kind.lower()}": out.getvalue()}


def palette() -> Files:
    """A bitmap of grey values with a palette, as makers ship."""
    from PIL import Image

    out = io.BytesIO()
    image = Image.fromarray(np.random.default_rng(2).integers(0, 256, PANEL, dtype=np.uint8)).convert("P")
    image.putpalette([v for k in range(256) for v in (k, k, k)])
    image.save(out, "BMP")
    return {"x.bmp": out.getvalue()}


def panel(kind: str) -> Files:
    phase = np.random.default_rng(0).random(PANEL)
    return numbers(np.exp(1j * phase).astype(np.complex64) if kind == "complex" else phase)


@functools.cache
def designed() -> Files:
    def write(place: Path) -> None:
        design(
            "gabor:count=2,size=5",
            bench=design_bench(),
            directory=place,
            image_shape=SHAPE,
            images=np.full((1, *SHAPE), 0.5, np.float32),
            pictures=0,
            compare=False,
            prove=False,
        )

    return folder(write)


# ---------------------------------------------------------------------- studies


@functools.cache
def studied() -> Files:
    def write(place: Path) -> None:
        quick(place, vary=["camera.read_noise=3,30"], draws=2, monte_carlo=2)

    return folder(write)


def bare_study() -> Files:
    """What is read of a study's folder, without its figures."""
    return {n: d for n, d in studied().items() if n == "plan.json" or n.startswith("cells/")}


def images_of_study() -> Files:
    return {n: studied()[n] for n in ("network.safetensors", "images.h5")}


# ---------------------------------------------------------------------- benches and calibrations


def response(separator: str, *, columns: int, wrapped: bool = False) -> Maker:
    def make() -> Files:
        phases = np.linspace(0, 6.2, 64) ** 1.05
        rows = enumerate(phases % 6.2 if wrapped else phases)
        decimal = "," if separator == ";" else "."
        lines = ["level; phase" if columns == 2 else "# phase"]
        for level, phase in rows:
            told = f"{phase:.4f}".replace(".", decimal)
            lines.append(f"{level}{separator}{told}" if columns == 2 else told)
        return {"x.csv": "\n".join(lines).encode()}

    return make


def calibrated_by_hand() -> TwinResult:
    """What a calibration gives, with uncertainties of half the tolerances."""
    nominal = calibration.bench()
    bench = calibration.bench(**{"alignment.mask_shift": (20e-6, -10e-6), "slm.response.gamma": 1.1})
    parameters = bench_parameters(bench, zernikes=(4, 5))
    covariance = torch.diag(torch.tensor([p.sigma**2 / 4 for p in parameters], dtype=torch.float64))
    return TwinResult(
        bench,
        nominal,
        parameters,
        covariance,
        estimates(nominal, bench, parameters, covariance),
        (),
        residual=0.02,
        noise=0.015,
        nominal_residual=0.4,
        held_back=(0.02, 0.015),
        share=0.001,
        frames=5,
        seconds=1.0,
    )


@functools.cache
def calibrated() -> dict[str, Files]:
    """A calibrated bench and its result."""
    found = calibrated_by_hand()
    described = bench_text(found.bench, notes=found.notes(), heading=found.heading())
    return {
        "bench": {"x.toml": described.encode()},
        "result": {"x.json": json.dumps(found.to_dict()).encode()},
    }


def captured() -> Files:
    """Captures of two images through two patterns, without a bench."""
    shown = calibration.probes(2)
    draws = np.random.default_rng(4).random((2, 2, 5, 6))
    made = Captures(
        levels=shown.levels[:, :6, :7],
        inputs=shown.inputs.float(),
        counts=torch.from_numpy(100 * draws).float(),
        panel_corner=(10, 12),
        corner=(3, 4),
        binning=4,
        exposure=1e-2,
        times=torch.arange(4.0).double().reshape(2, 2),
        labels=torch.tensor([1, 0]),
        bench="small",
    )
    with tempfile.TemporaryDirectory() as place:
        made.save(Path(place) / "x.h5")
        return {"x.h5": (Path(place) / "x.h5").read_bytes()}


def kept_frames() -> Files:
    """Two chunks of a store."""

    def write(place: Path) -> None:
        store = FrameStore(place, "request", every=0.0)
        for k in range(2):
            store.add(torch.full((3, 4), float(k)), float(k), torch.zeros(5, dtype=torch.uint8))

    return folder(write)


def tolerances() -> Files:
    lines = ("mask_shift = 1e-4", "mask_rotation = 0.02", "gamma = 0.2", "light = 0.4", "zernike = 0.5")
    return {"x.toml": "\n".join((*lines, '[also]\n"slm.reflectivity" = 0.1')).encode()}


def cifar_archive() -> Files:
    def records(seed: int) -> bytes:
        rows = np.random.default_rng(seed).integers(0, 256, (10, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(10)
        return rows.tobytes()

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, seed in (*((f"data_batch_{k}.bin", k) for k in range(1, 6)), ("test_batch.bin", 9)):
            data = records(seed)
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return {"x.tar.gz": out.getvalue()}


MAKERS: dict[str, list[Maker]] = {
    "panels": [lambda: panel("complex"), lambda: panel("real"), lambda: picture(PANEL, "PNG")],
    "target pictures": [lambda kind=kind: picture((9, 9), kind) for kind in ("PNG", "BMP", "TIFF")],
    "built-ins": [text(words) for words in BUILT_IN],
    "display images": [
        lambda: numbers(np.random.default_rng(3).random((2, *SHAPE))),
        lambda: picture(SHAPE, "PNG"),
    ],
    "design": [designed],
    "vary": [text(words) for words in VARIED],
    "sizes": [text("28"), text("28x32")],
    "study": [bare_study],
    "study's images": [images_of_study],
    "response": [
        response(",", columns=2),
        response(";", columns=2),
        response("", columns=1),
        response("\t", columns=2, wrapped=True),
    ],
    "correction": [lambda: panel("real"), lambda: picture(PANEL, "PNG"), palette],
    "calibrated bench": [lambda: calibrated()["bench"]],
    "calibration result": [lambda: calibrated()["result"]],
    "captures": [captured],
    "kept frames": [kept_frames],
    "tolerances": [tolerances],
    "cifar archive": [cifar_archive],
}
