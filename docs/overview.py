"""The README's picture and its table of results, from a finished run: `python docs/overview.py runs/demo`."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from distill.export.read import read_export  # noqa: E402
from distill.job.rows import Rows, is_on_bench, title_of  # noqa: E402
from distill.metrics.row import Row  # noqa: E402
from distill.metrics.tasks import Difference  # noqa: E402
from distill.report.remarks import distillation  # noqa: E402
from docs.marked import between  # noqa: E402
from optics.plots import plots as plot  # noqa: E402
from optics.plots import style  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLE, FRAME = 3, 0  # which reference image, which mask
DETAIL = 64  # SLM pixels shown of the panel


def path_of_light(directory: Path) -> Figure:
    """One digit through one mask: display, mask, SLM, point spread, camera, and the classes that come out."""
    found = read_export(directory / "export")
    bench = found.bench
    middle = tuple(slice(n // 2 - DETAIL // 2, n // 2 + DETAIL // 2) for n in bench.slm.shape)
    mask, psf = found.masks[FRAME].numpy(), found.psfs[FRAME].abs().numpy()
    centre = tuple(slice(n // 2 - n // 5, n // 2 + n // 5) for n in psf.shape)
    spread, exposures = (psf / psf.max())[centre] ** 0.5, found.camera_counts[SAMPLE].numpy()
    digit, pitch = found.inputs[SAMPLE, 0].numpy(), bench.input.pitch
    scores, label, names = (
        found.logits[SAMPLE].softmax(0),
        int(found.labels[SAMPLE]),
        found.manifest.class_names,
    )
    with h5py.File(directory / "export" / "masks.h5", "r") as file:
        step = float(file["psfs"].attrs["pitch"][1])  # metres on the display
    grey = {"cmap": style.INTENSITY}
    # what is shown, the picture, its width in metres, its colours
    pictures = [
        ("a digit on\nthe display", digit, digit.shape[1] * pitch, grey),
        (
            "one of its masks\n(hue: phase)",
            plot.phase_colours(np.abs(mask), np.angle(mask)),
            mask.shape[1] * bench.slm.pitch,
            {},
        ),
        (
            f"{DETAIL} x {DETAIL} pixels\nof the SLM's file",
            found.levels[FRAME][middle].numpy(),
            DETAIL * bench.slm.pitch,
            grey,
        ),
        (
            "what one point\nbecomes",
            spread,
            spread.shape[1] * step,
            {"cmap": style.DECADES},
        ),
        (
            "what the\ncamera sees",
            exposures[FRAME],
            exposures[FRAME].shape[1] * bench.camera.pitch * bench.camera.binning,
            grey,
        ),
    ]
    figure = style.new_figure(2 * style.COLUMN, 1.75, layout="constrained")
    axes = figure.subplots(1, 6)
    for panel, (title, picture, width, options) in zip(axes[:5], pictures, strict=True):
        panel.imshow(picture, interpolation="nearest", **options)
        panel.set_title(title, fontsize=style.TICK)
        panel.set_xlabel(f"↔ {style.quantity(width, 'm')}", fontsize=style.TICK, color=style.SOFT)
        panel.set_xticks([])
        panel.set_yticks([])
    colours = [style.STYLES[0][0] if i == label else style.FAINT for i in range(len(names))]
    style.dress(axes[5], grid=False).bar(range(len(names)), scores.numpy(), color=colours)
    axes[5].set_xticks(range(len(names)), names)
    axes[5].set_yticks([])
    axes[5].set_title(f"the answer\nfrom {len(exposures)} exposures", fontsize=style.TICK)
    axes[5].spines["left"].set_visible(False)
    axes[5].set_box_aspect(1)
    return figure


def sheet_of(directory: Path) -> Image.Image:
    """The bench's layout above the path of one digit."""
    found = read_export(directory / "export")
    figures = (plot.bench(found.bench, found.manifest.image_shape), path_of_light(directory))
    pictures = []
    for figure in figures:
        figure.savefig(stream := io.BytesIO(), format="png")
        pictures.append(Image.open(stream).convert("RGB"))
    width = max(picture.width for picture in pictures)
    sheet = Image.new("RGB", (width, sum(picture.height for picture in pictures)), "white")
    top = 0
    for picture in pictures:
        sheet.paste(picture, (0, top))
        top += picture.height
    return sheet


def table(directory: Path) -> str:
    """The rows and the verification of `result.json` in Markdown."""
    result = json.loads((directory / "result.json").read_text(encoding="utf-8"))
    lines = ["| row | accuracy, % | ± draws | ± sampling |", "| --- | --- | --- | --- |"]
    for key, row in result["rows"].items():
        of = "noise draws" if is_on_bench(key) else "trainings"
        spread = f"{100 * row['spread']:.2f} over {row['draws']} {of}" if row["draws"] > 1 else ""
        sampling = 100 * Row(**row).uncertainty
        lines.append(f"| {title_of(key)} | {100 * row['accuracy']:.1f} | {spread} | {sampling:.1f} |")
    images = result["rows"]["linear_kd"]["images"]
    machine = result["environment"]
    paired = None if result.get("gain") is None else Difference.model_validate(result["gain"])
    told = distillation(Rows.model_validate(result["rows"]), paired)
    lines.append(
        "\n± draws: standard deviation with the same images; ± sampling: standard error from having only so many test "
        f"images. {told}"
    )
    lines.append(
        f"\nFrom `make demo`: {images} test digits of the shipped MNIST subset, seed {result['config']['seed']}, "
        f"{result['readout']} read-out, {result['operations']['linear_kd']} electronic multiply-accumulates an image "
        f"(teacher {result['operations']['teacher']:,}); torch "
        f"{machine['versions']['torch']}, {machine['threads']} threads. The exported files, read back and "
        "simulated again:"
    )
    for key, title in (("wave", "our wave path"), ("lightpipes", "LightPipes")):
        part = result["verify"][key]
        lines.append(
            f"- {title}: {part['images']} digits, {100 * part['accuracy']:.1f} % right, "
            f"{100 * part['agreement']:.1f} % as the trained network answers."
        )
    return "\n".join(lines)


def main(directory: Path) -> None:
    """Write docs/images/overview.png and the table between the README's two marks."""
    target = ROOT / "docs" / "images" / "overview.png"
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet_of(directory).quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    between(ROOT / "README.md", "results", table(directory) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
