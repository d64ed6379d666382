"""An export's answers from its camera counts, with numpy, h5py, safetensors and Pillow alone: no network, no torch.

    python examples/logits_from_counts.py DIR

reads `manifest.json` and what it names (`docs/export.md`), shows that the SLM's files hold the levels in `masks.h5`,
and works out the answers of the reference images: classes, classes of pixels, or embeddings. Take it as the start of a
laboratory's own program: put your camera's frames in place of `reference.h5`'s `camera_counts`, turned upright by
`upright` and cut to `camera_window` (of tiles to each of `tile_windows`), in the order of `exposures`.
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


# ---------------------------------------------------------------------- from counts to features


def features(counts, manifest, bin_rows, bin_columns):
    """Features (images, maps, by, bx) from camera counts (images, readings, y, x)."""
    c = manifest["counts"]
    photons = (counts - c["black"]) * c["electrons_per_count"] - c["dark_electrons"]
    photons = photons / c["quantum_efficiency"] - c["background"]
    arranged, readout = manifest["arrangement"], manifest["readout"]
    scales = np.array(manifest["mask_scales"])  # a white picture's field behind a clear mask
    factor = (scales / manifest["gain"]) ** 2
    if readout["name"] == "homodyne":  # differences are four times field and reference beam
        beam = readout["reference"]
        factor = factor / (4 * (readout["reference_light"] * scales if beam is None else beam))
    exposures = photons.shape[1] // len(factor)
    if bin_rows.ndim == 3:  # tiles: reading m is of tile m % T
        tiles = np.arange(photons.shape[1]) % len(bin_rows)
        bin_rows, bin_columns = bin_rows[tiles], bin_columns[tiles]
    readings = bin_rows @ (photons / c["full_scale"]) @ np.swapaxes(bin_columns, -1, -2)
    readings = readings * np.tile(factor, exposures)[:, None, None]
    if arranged["one_by_one"]:  # the channels' intensities add
        n, masks, y, x = readings.shape
        readings = readings.reshape(n, masks // arranged["channels"], arranged["channels"], y, x).sum(2)
    if readout["name"] == "homodyne":  # four exposures, the reference a quarter wave later each time
        zero, quarter, half, three = np.split(readings, 4, axis=1)
        return np.concatenate((zero - half, quarter - three), axis=1)
    if readout["name"] == "incoherent" and readout["signed"]:  # positive parts, then negative ones
        positive, negative = np.split(readings, 2, axis=1)
        return positive - negative
    return readings


# ---------------------------------------------------------------------- from features to answers


def answers(x, config, weights, epsilon):
    """Logits (images, classes, ...) from features (images, maps, by, bx), and an embedder's unit vectors or None."""
    if config["kind"] == "stacked":  # side x side neighbours become maps
        n, maps, y, x_ = x.shape
        s = config["side"]
        x = x.reshape(n, maps, y // s, s, x_ // s, s).transpose(0, 1, 3, 5, 2, 4)
        x = x.reshape(n, maps * s * s, y // s, x_ // s)
        weights = {name.removeprefix("backend."): value for name, value in weights.items()}
        config = config["backend"]
    if config["square_root"]:
        x = np.sqrt(np.maximum(x, 0) + config["epsilon"])
    if config["kind"] == "segmenter":
        return segmented(x, config, weights, epsilon), None
    looks = config.get("context", 0)
    shape = x.shape
    x = normalised(x if looks else x.reshape(len(x), -1), "norm", weights, epsilon).reshape(shape)
    if config.get("mix"):
        x = mixed(x, "mix", weights)
    for step in range(looks):  # looks ever farther
        x = refined(x, f"context.{step}", weights, epsilon, dilation=2**step)
    if config.get("average"):
        x = averaged(x, config["average"])
    x = x.reshape(len(x), -1)
    body = "body" if config["kind"] == "embedder" else "classifier"
    steps = sorted(
        int(name.split(".")[1]) for name in weights if name.startswith(f"{body}.") and "weight" in name
    )
    for step in steps:
        x = x @ weights[f"{body}.{step}.weight"].T + weights[f"{body}.{step}.bias"]
        x = np.maximum(x, 0) if step != steps[-1] else x
    if config["kind"] != "embedder":
        return x, None
    unit, known = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in (x, weights["prototypes"].astype(float))
    )
    return config["scale"] * unit @ known.T, unit


def normalised(x, name, weights, epsilon):
    """Values whose second axis is normalised by stored means and variances."""
    mean, variance, scale, start = (
        weights[f"{name}.{part}"].reshape(-1, *[1] * (x.ndim - 2))
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + epsilon) * scale + start


def mixed(x, name, weights):
    """A 1 x 1 convolution of maps (images, maps, y, x)."""
    x = np.einsum("om,nmyx->noyx", weights[f"{name}.weight"][:, :, 0, 0], x)
    return x + weights[f"{name}.bias"][:, None, None]


def segmented(x, config, weights, epsilon):
    """Logits of every pixel (images, classes, H, W) from rooted features (images, maps, by, bx)."""
    x = np.maximum(mixed(normalised(x, "norm", weights, epsilon), "mix", weights), 0)
    for step in range(config.get("context", 0)):  # looks ever farther
        x = refined(x, f"context.{step}", weights, epsilon, dilation=2**step)
    steps = sorted({int(name.split(".")[1]) for name in weights if name.startswith("steps.")})
    for step in steps:  # twice the resolution
        x = stretched(x, (2 * x.shape[2], 2 * x.shape[3]))
        x = refined(x, f"steps.{step}", weights, epsilon)
    return stretched(mixed(x, "logits", weights), config["image_shape"])


def averaged(x, size):
    """Maps (images, maps, y, x) averaged over `size` parts a side; parts that do not divide them evenly overlap."""
    for axis, parts in ((2, size[0]), (3, size[1])):
        n = x.shape[axis]
        ends = [(i * n // parts, -(-(i + 1) * n // parts)) for i in range(parts)]
        x = np.stack([x.take(range(a, b), axis).mean(axis) for a, b in ends], axis)
    return x


def refined(x, name, weights, epsilon, dilation=1):
    """Maps plus what a depthwise 3 x 3 and a 1 x 1 convolution make of them."""
    d, kernel = dilation, weights[f"{name}.0.weight"]
    around = np.pad(x, ((0, 0), (0, 0), (d, d), (d, d)))
    y = sum(
        kernel[:, 0, i, j, None, None] * around[:, :, d * i : d * i + x.shape[2], d * j : d * j + x.shape[3]]
        for i in range(3)
        for j in range(3)
    )
    y = y + weights[f"{name}.0.bias"][:, None, None]
    return x + mixed(np.maximum(normalised(y, f"{name}.1", weights, epsilon), 0), f"{name}.3", weights)


def stretched(x, size):
    """Maps (images, maps, y, x) at another size, bilinear between pixels' centres, the outermost values beyond."""
    for axis, n in zip((2, 3), size, strict=True):
        had = x.shape[axis]
        place = np.clip((np.arange(n) + 0.5) * had / n - 0.5, 0, had - 1)
        low = np.minimum(place.astype(int), max(had - 2, 0))
        share = (place - low).reshape(-1, *[1] * (3 - axis))
        high = np.minimum(low + 1, had - 1)
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def main(directory):
    """Largest difference of the answers, and of the levels, from those in the files."""
    folder = Path(directory)
    manifest = json.loads((folder / "manifest.json").read_text())
    with h5py.File(folder / "masks.h5") as file:
        levels = file["levels"][()]
    with h5py.File(folder / "electronics.h5") as file:
        bins = file["bin_rows"][()], file["bin_columns"][()]
    with h5py.File(folder / "reference.h5") as file:
        counts = file["camera_counts"][()].astype(float)
        told = {key: file[key][()] for key in ("logits", "embeddings") if key in file}
    seen, differ = features(counts, manifest, *bins), 0.0
    if manifest["backend"] is not None:
        weights = load_file(folder / "backend.safetensors")
        logits, unit = answers(seen, manifest["backend"], weights, manifest["normalisation_epsilon"])
        found = {"logits": logits, "embeddings": unit}
        differ = max(np.abs(found[key] - told[key]).max() / np.abs(told[key]).max() for key in told)
    shown = np.stack([levels_of(folder / name, manifest) for name in manifest["slm_frames"]])
    return float(differ), int(np.abs(shown - levels).max())


if __name__ == "__main__":
    answers_differ, levels_differ = main(sys.argv[1])
    print(f"answers differ by {answers_differ:.1e} of the largest, levels by {levels_differ}")
    sys.exit(answers_differ > 1e-5 or levels_differ > 0)
