"""An export's answers from its camera counts, with numpy, h5py, safetensors and Pillow alone: no network, no torch.

    python examples/logits_from_counts.py DIR

reads `manifest.json` and what it names (`docs/export.md`), shows that the SLM's files hold the levels in `masks.h5`,
and works out the logits of the reference images. Take it as the start of a laboratory's own program: put your camera's
frames in place of `reference.h5`'s `camera_counts`, turned upright by `upright` and cut to `camera_window`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from safetensors.numpy import load_file


def upright(raw, mounting):
    """A camera's raw frames (..., rows, columns) as the plane (..., y, x) that the rest is told in."""
    raw = raw[..., ::-1] if mounting["mirrored"] else raw
    return np.rot90(raw, -mounting["turned"], (-2, -1))


def binned(sensor, window):
    """Counts of the part of the sensor that sees the image, from raw sensor frames (..., rows, columns)."""
    (top, bottom), (left, right), n = window["rows"], window["columns"], window["binning"]
    part = sensor[..., top:bottom, left:right]
    return part.reshape(*part.shape[:-2], (bottom - top) // n, n, (right - left) // n, n).sum((-3, -1))


def levels_of(path, manifest):
    """The levels (y, x) that an SLM file holds."""
    grey = np.array(Image.open(path)).astype(np.int64)
    bits, depth = manifest["device"]["bits"], manifest["slm_frame_bits"]
    how = manifest["bench"]["slm"]["frame_format"]
    if how == "high_bits":
        grey = grey >> (depth - bits)
    if how == "full_scale":
        grey = np.rint(grey * (2**bits - 1) / (2**depth - 1)).astype(np.int64)
    return upright(grey, manifest["bench"]["mounting"]["slm"])


def features(counts, manifest, bin_rows, bin_columns):
    """Features (images, maps, by, bx) from camera counts (images, exposures, y, x)."""
    c = manifest["counts"]
    photons = (counts - c["black"]) * c["electrons_per_count"] - c["dark_electrons"]
    photons = photons / c["quantum_efficiency"] - c["background"]
    readings = bin_rows @ (photons / c["full_scale"]) @ bin_columns.T
    factor = (np.array(manifest["scales"]) / manifest["gain"]) ** 2
    readings = readings * np.tile(factor, readings.shape[1] // len(factor))[:, None, None]
    if (
        manifest["readout"]["name"] == "homodyne"
    ):  # four exposures, the reference a quarter wave later each time
        zero, quarter, half, three = np.split(readings, 4, axis=1)
        fields = (zero - half, quarter - three)
        return np.concatenate(fields, axis=1) / (4 * manifest["readout"]["reference"])
    return readings


def answers(x, config, weights, epsilon):
    """Logits (images, classes) from features (images, maps, by, bx)."""
    if config["kind"] == "stacked":  # side x side neighbours become maps
        n, maps, y, x_ = x.shape
        s = config["side"]
        x = x.reshape(n, maps, y // s, s, x_ // s, s).transpose(0, 1, 3, 5, 2, 4)
        x = x.reshape(n, maps * s * s, y // s, x_ // s)
        weights = {name.removeprefix("backend."): value for name, value in weights.items()}
        config = config["backend"]
    if config["square_root"]:
        x = np.sqrt(np.maximum(x, 0) + config["epsilon"])
    shape, x = x.shape, x.reshape(len(x), -1)
    x = (x - weights["norm.running_mean"]) / np.sqrt(weights["norm.running_var"] + epsilon)
    x = x * weights["norm.weight"] + weights["norm.bias"]
    if config.get("mix"):
        x = np.einsum("om,nmyx->noyx", weights["mix.weight"][:, :, 0, 0], x.reshape(shape))
        x = (x + weights["mix.bias"][:, None, None]).reshape(len(x), -1)
    body = "body" if config["kind"] == "embedder" else "classifier"
    steps = sorted(
        int(name.split(".")[1]) for name in weights if name.startswith(f"{body}.") and "weight" in name
    )
    for step in steps:
        x = x @ weights[f"{body}.{step}.weight"].T + weights[f"{body}.{step}.bias"]
        x = np.maximum(x, 0) if step != steps[-1] else x
    if config["kind"] == "embedder":
        unit = [
            v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, weights["prototypes"].astype(float))
        ]
        x = config["scale"] * unit[0] @ unit[1].T
    return x


def main(directory):
    """Largest difference of the logits, and of the levels, from those in the files."""
    folder = Path(directory)
    manifest = json.loads((folder / "manifest.json").read_text())
    with h5py.File(folder / "masks.h5") as file:
        levels = file["levels"][()]
    with h5py.File(folder / "electronics.h5") as file:
        bins = file["bin_rows"][()], file["bin_columns"][()]
    with h5py.File(folder / "reference.h5") as file:
        counts, logits = file["camera_counts"][()].astype(float), file["logits"][()]
    weights = load_file(folder / "backend.safetensors")
    found = answers(
        features(counts, manifest, *bins), manifest["backend"], weights, manifest["normalisation_epsilon"]
    )
    shown = np.stack([levels_of(folder / name, manifest) for name in manifest["slm_frames"]])
    return float(np.abs(found - logits).max() / np.abs(logits).max()), int(np.abs(shown - levels).max())


if __name__ == "__main__":
    logits_differ, levels_differ = main(sys.argv[1])
    print(f"logits differ by {logits_differ:.1e} of the largest, levels by {levels_differ}")
    sys.exit(logits_differ > 1e-5 or levels_differ > 0)
