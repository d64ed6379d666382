"""Small right inputs for every reader, made anew each time: nothing binary is kept, and a changed format changes them.

A seed is a folder as {name: bytes}; a single file is a folder of one.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pickle
import struct
import tempfile
from collections.abc import Callable, Iterable
from importlib import resources
from pathlib import Path

import h5py
import numpy as np
import torch
from PIL import Image
from torch import nn

import distill
from calibration import Recording, save_recording
from calibration.rigs.recording import Probes
from distill.export.write import export
from distill.job import config
from distill.keeping.kept_run import KeptRun
from distill.training.checkpoint import save_model, save_state
from networks import Student
from networks.students import array_files
from networks.teachers import registry as teachers
from optics.files import hdf5_bytes
from tests.calibration.benches import bench as calibration_bench
from tests.distill.exportbench import dataset, network
from tests.fuzz import corpus_jobs, corpus_sets
from tests.scenes import generator

Files = dict[str, bytes]
ROWS = ("teacher", "linear", "linear_kd", "ideal_bench", "bench_as_is", "bench_refit")
COUNT = 8  # pictures of a part


def seeds(names: Iterable[str] | None = None) -> dict[str, list[Files]]:
    """Right inputs by the name of the corpus; of some, or of all."""
    return {name: [make() for make in MAKERS[name]] for name in (MAKERS if names is None else sorted(names))}


def written(write: Callable[[Path], object], name: str = "x") -> Files:
    """What `write` leaves at a path of that name: a file, or a folder."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / name
        write(target)
        if target.is_file():
            return {name: target.read_bytes()}
        return {str(p.relative_to(target)): p.read_bytes() for p in sorted(target.rglob("*")) if p.is_file()}


# ---------------------------------------------------------------------- images


def picture(k: int, shape: tuple[int, ...] = (6, 5)) -> np.ndarray:
    return np.random.default_rng(k).integers(0, 256, shape, dtype=np.uint8)


def image_file(array: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind)
    return out.getvalue()


def hdf5_images(masks: bool = False) -> Files:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["class_names"] = ["cat", "dog"]
        file.attrs["source"] = "somewhere"
        for part in ("train", "test"):
            file[f"{part}/images"] = np.stack([picture(k) for k in range(COUNT)])
            if masks:
                file[f"{part}/masks"] = np.stack([picture(k) % 2 for k in range(COUNT)])
            else:
                file[f"{part}/labels"] = np.arange(COUNT, dtype=np.uint8) % 2
    return {"data.h5": out.getvalue()}


def hdf5_jpegs() -> Files:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["class_names"] = ["a", "b"]
        for part in ("train", "test"):
            files = [image_file(picture(k, (8, 8, 3)), "JPEG") for k in range(COUNT)]
            file[f"{part}/jpeg"] = np.frombuffer(b"".join(files), np.uint8)
            file[f"{part}/offsets"] = np.cumsum([0, *map(len, files)])
            file[f"{part}/labels"] = np.arange(COUNT) % 2
    return {"data.h5": out.getvalue()}


def npz() -> Files:
    out = io.BytesIO()
    images, labels = np.stack([picture(k) for k in range(COUNT)]), np.arange(COUNT, dtype=np.uint8) % 2
    np.savez(out, x_train=images, y_train=labels, x_test=images[::-1], y_test=labels[::-1])
    return {"arrays.npz": out.getvalue()}


def idx(compress: bool = False) -> Files:
    def packed(array: np.ndarray) -> bytes:
        head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        return gzip.compress(head + array.tobytes()) if compress else head + array.tobytes()

    end = ".gz" if compress else ""
    files = {}
    for part in ("train", "t10k"):
        files[f"{part}-images-idx3-ubyte{end}"] = packed(np.stack([picture(k) for k in range(COUNT)]))
        files[f"{part}-labels-idx1-ubyte{end}"] = packed(np.arange(COUNT, dtype=np.uint8) % 2)
    return files


def cifar_binary() -> Files:
    def records(seed: int) -> bytes:
        rows = np.random.default_rng(seed).integers(0, 256, (10, 3073), dtype=np.uint8)
        rows[:, 0] = np.arange(10)
        return rows.tobytes()

    return {f"data_batch_{k}.bin": records(k) for k in range(1, 6)} | {
        "test_batch.bin": records(9),
        "batches.meta.txt": "\n".join("abcdefghij").encode(),
    }


def cifar_python() -> Files:
    def batch(seed: int) -> bytes:
        rows = np.random.default_rng(seed).integers(0, 256, (10, 3072), dtype=np.uint8)
        return pickle.dumps({b"data": rows, b"labels": list(range(10)), b"batch_label": b"x"}, protocol=2)

    meta = pickle.dumps({b"label_names": [c.encode() for c in "abcdefghij"]}, protocol=2)
    return {f"data_batch_{k}": batch(k) for k in range(1, 6)} | {"test_batch": batch(9), "batches.meta": meta}


def class_folders(kind: str, ending: str) -> Files:
    return {
        f"{part}/{'ab'[k % 2]}/{k}{ending}": image_file(picture(k), kind)
        for part in ("train", "test")
        for k in range(4)
    }


def pixel_folders() -> Files:
    return {
        f"{part}/{folder}/{k}.png": image_file(picture(k) % top, "PNG")
        for part in ("train", "test")
        for folder, top in (("images", 255), ("masks", 2))
        for k in range(4)
    }


# ---------------------------------------------------------------------- arrays and networks


def array(ending: str) -> Callable[[], Files]:
    draws = generator()
    kernels = torch.randn(2, 1, 5, 5, generator=draws, dtype=torch.complex64)
    return lambda: written(lambda path: array_files.write(path, kernels), f"masks{ending}")


def compressed_matlab() -> Files:
    from scipy.io import savemat

    out = io.BytesIO()
    values = {"bench": {"name": "x", "psf": np.arange(25.0).reshape(5, 5) * 1j}}
    savemat(out, values, do_compression=True)
    return {"masks.mat": out.getvalue()}


def checkpoint_of_another() -> Files:
    out = io.BytesIO()
    torch.save({"state_dict": {"weight": torch.ones(3, 3)}, "epoch": 3}, out)
    return {"masks.pt": out.getvalue()}


def student() -> Files:
    made = Student.build((1, 4, 4), image_shape=(10, 12), classes=3, bins=(3, 3), generator=torch.Generator())
    return written(lambda path: distill.save(made, path), "model.safetensors")


def teacher() -> Files:
    model = teachers.create_teacher("lenet5", 1, 3, (12, 12), generator=generator())
    told = {"kind": "teacher", "name": "lenet5", "in_channels": 1, "classes": 3, "image_size": [12, 12]}
    return written(lambda path: save_model(path, model, told), "model.safetensors")


def state() -> Files:
    values = {"epoch": 3, "best": [0.5, "x"], "weights": {"a": torch.ones(2, 3)}}
    return written(lambda path: save_state(path, "key", values), "state.pt")


def program() -> Files:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)
    ).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    with torch.no_grad():
        made = torch.export.export(model, (torch.zeros(2, 1, 6, 6),), dynamic_shapes=({0: batch},))
    return written(lambda path: torch.export.save(made, path), "teacher.pt2")


# ---------------------------------------------------------------------- directories, descriptions, results


def exported(bmp: bool = False) -> Files:
    return written(lambda path: export(network(), path, inputs=dataset(), count=3, bmp=bmp), "export")


def recording() -> Recording:
    draws = generator()
    levels = torch.randint(0, 256, (2, 6, 7), generator=draws, dtype=torch.int32)
    probes = Probes(levels, torch.rand(2, 4, 5, generator=draws).double(), (10, 12))
    counts = torch.rand(2, 5, 6, generator=draws).double() * 100
    told = calibration_bench()
    return Recording(
        probes, counts, (3, 4), binning=told.camera.binning, exposure=1e-2, times=(0.0, 1.0), bench=told.name
    )


def recorded() -> Files:
    return written(lambda path: save_recording(recording(), path), "rig.h5")


def recorded_pictures() -> Files:
    def grey(seed: int, shape: tuple[int, int], kind: str = "u1") -> bytes:
        return image_file(np.random.default_rng(seed).integers(0, 200, shape).astype(kind), "PNG")

    lines = ['inputs = "amplitude"', "binning = 4", "panel_corner = [10, 12]", "sensor_corner = [3, 4]"]
    files = {}
    for k in range(2):
        lines += ["[[shots]]", *(f'{n} = "{n}{k}.png"' for n in ("levels", "input", "frame"))]
        files |= {f"levels{k}.png": grey(k, (6, 7)), f"input{k}.png": grey(k, (4, 5))}
        files[f"frame{k}.png"] = grey(k, (5, 6), "u2")
    return files | {"recording.toml": "\n".join(lines).encode()}


def recorded_arrays() -> Files:
    made = recording()
    out: Files = {}
    for name, values in (
        ("probes", {"levels": made.probes.levels.numpy(), "inputs": made.probes.inputs.numpy()}),
        ("frames", {"counts": made.counts.numpy()}),
    ):
        stream = io.BytesIO()
        np.savez(stream, first_row=np.array(3), first_column=np.array(4), **values)
        out[f"{name}.npz"] = stream.getvalue()
    return out


def shipped(folder: str) -> list[Callable[[], Files]]:
    """The TOML files of the catalogue, or the benches."""
    files = sorted(
        p for p in (resources.files("optics.bench") / folder).iterdir() if p.name.endswith(".toml")
    )
    return [lambda p=p: {"x.toml": p.read_bytes()} for p in files]


def run_file() -> Files:
    return {"run.toml": config.demo(fast=True).to_toml().encode()}


def result() -> Files:
    row = {"accuracy": 0.9, "spread": 0.01, "draws": 3, "images": 100}
    return {
        "result.json": json.dumps(
            {
                "schema_version": 2,
                "name": "x",
                "finished": "2026-01-01T00:00:00Z",
                "rows": dict.fromkeys(ROWS, row),
                "verify": None,
                "operations": {"teacher": 10, "linear": 3, "linear_kd": 3, "optics_replaced": 30},
                "light": {
                    "photons_full_scale": 3e4, "photons_per_pixel": 10.0, "photons_per_exposure": 1e5, "saturated": 0.0,
                    "exposures": 8,
                },
                "radiometry": {"gain": 2.5},
                "data": {"source_name": "digits", "class_names": ["0", "1"]},
                "readout": "intensity",
                "config": {"seed": 0},
                "environment": {"versions": {"torch": "2"}, "machine": {"cores": 2}, "threads": 2, "seed": 0},
                "seconds": {"data": 0.1},
            }
        ).encode()
    }  # fmt: skip


def kept_run() -> Files:
    files = result()
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    kept = KeptRun(
        name="x",
        seed=0,
        recipe="0123456789abcdef",
        channels=1,
        image_shape=(10, 12),
        masks=3,
        parameters={"linear": (9, 30)},
        made_by="0.1",
        files=digests,
    )
    return files | {"kept.json": kept.model_dump_json().encode()}


def ledger() -> Files:
    step = {"key": "0123456789abcdef", "done": True, "seconds": 1.5}
    return {"steps.json": json.dumps({"version": 1, "steps": {"data": step, "teacher": step}}).encode()}


def masks_of_an_export() -> Files:
    values = np.exp(1j * np.random.default_rng(0).random((2, 8, 9))).astype(np.complex64)
    return {"masks.h5": hdf5_bytes({"masks": (values, {"axes": "frame, y, x"})})}


MAKERS: dict[str, list[Callable[[], Files]]] = {
    "images": [hdf5_images, lambda: hdf5_images(masks=True), hdf5_jpegs],
    "idx": [idx, lambda: idx(compress=True)],
    "npz": [npz],
    "cifar": [cifar_binary, cifar_python],
    "folders": [
        lambda: class_folders("PNG", ".png"),
        lambda: class_folders("JPEG", ".jpg"),
        lambda: class_folders("TIFF", ".tif"),
        lambda: class_folders("BMP", ".bmp"),
        pixel_folders,
    ],
    "arrays": [*(array(e) for e in array_files.SUFFIXES), compressed_matlab, checkpoint_of_another],
    "student": [student],
    "teacher": [teacher],
    "state": [state],
    "program": [program],
    "export": [exported, lambda: exported(bmp=True)],
    "recording": [recorded, recorded_pictures, recorded_arrays],
    "device": shipped("devices"),
    "bench": shipped("benches"),
    "run": [run_file],
    "result": [result],
    "kept run": [kept_run],
    "ledger": [ledger],
    "masks": [masks_of_an_export],
    **corpus_jobs.MAKERS,
    **corpus_sets.MAKERS,
}
