"""The tables of `controls.md` from `controls-result.json`, and its picture: `python docs/controls_page.py [DATA]`.

With the directory of the data sets, the networks of seed 0 are trained once more and their masks drawn (minutes).
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.controls import ROWS, networks  # noqa: E402
from benchmarks.controls_tasks import TASKS  # noqa: E402
from distill.training.teaching import logits  # noqa: E402
from distill.training.train_loop import fit  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, RESULT = ROOT / "docs" / "controls.md", ROOT / "docs" / "controls-result.json"
PICTURE = ROOT / "docs" / "images" / "controls-masks.png"
DRAWN = ("intensity", "random_masks", "raw_image", "electronic")
COLOURS = (
    (0.93, 0.93, 0.93),
    (0.95, 0.7, 0.5),
    (0.35, 0.2, 0.1),
    (0.1, 0.4, 0.9),
    (0.2, 0.7, 0.3),
    (0.85, 0.1, 0.3),
)


def markdown(result: dict[str, Any]) -> str:
    """All tables of the page."""
    parts = []
    for task in result["tasks"].values():
        rows = task["rows"]
        main, *others = next(iter(rows.values()))["mean"]
        images = ", ".join(f"{n} {k}" for k, n in task["images"].items())
        training, optics = task["training"], task["optics"]
        parts += [
            f"### {task['title']}",
            "",
            f"{task['about']}. Images: {images}. {len(task['seeds'])} seeds, {training['epochs']} epochs in batches of "
            f"{training['batch_size']}, learning rate {training['learning_rate']:g}. Optics: {optics['channels'][-1]} "
            f"kernels of {optics['taps']}x{optics['taps']}, {optics['bins'][0]}x{optics['bins'][1]} bins; back end: "
            f"{', '.join(f'{k} {v}' for k, v in task['backend'].items())}. `{task['file']}` "
            f"(sha256 {task['sha256']}).",
            "",
            f"| row | {main}, % | spread | {''.join(f'{k}, % | ' for k in others)}multiply-accumulates | exposures |",
            f"| --- | --- | --- | {'--- | ' * len(others)}--- | --- |",
        ]
        for name, row in rows.items():
            mean, spread = row["mean"], row["spread"]
            more = "".join(f"{100 * mean[k]:.1f} | " for k in others)
            parts.append(
                f"| {ROWS[name]} | {100 * mean[main]:.1f} | {100 * spread[main]:.1f} | {more}{row['operations']:,} | "
                f"{row['exposures'] or ''} |"
            )
        parts.append("")
    return "\n".join(parts)


def masks(folder: Path) -> Figure:
    """Three test pictures of the cars and of the faces: the truth, and what each network answers.

    The photographs themselves are left out: their licences do not let everyone hand them on.
    """
    from matplotlib.figure import Figure as NewFigure

    figure = NewFigure(figsize=(8.0, 9.4), dpi=110, layout="constrained")
    axes = figure.subplots(6, 1 + len(DRAWN))
    palette = torch.tensor(COLOURS)
    for block, name in enumerate(("cars", "faces")):
        task = TASKS[name]
        splits = task.load(folder / str(task.file), 0, False)
        shown = _shown(splits.test.labels)
        pictures = [("truth", palette[splits.test.labels[shown]])]
        for row in DRAWN:
            network = networks(task, splits, 0)[row]()
            train, held_out = splits.train, splits.validation
            fit(
                network,
                (train.images, train.labels),
                (held_out.images, held_out.labels),
                task.spec.replace(seed=0),
                directory=None,
            )
            pictures.append((ROWS[row], palette[logits(network, splits.test.images[shown]).argmax(1)]))
        for column, (title, images) in enumerate(pictures):
            for k, image in enumerate(images):
                axis = axes[3 * block + k, column]
                axis.imshow(image.numpy(), interpolation="nearest")
                axis.set_axis_off()
                if k == 0:
                    axis.set_title(title, fontsize=9)
    return figure


def _shown(labels: torch.Tensor) -> torch.Tensor:
    """Three pictures: those at the quarters of the order by how much of them is no background."""
    order = (labels > 0).flatten(1).sum(1).argsort()
    return order[[len(order) // 2, 3 * len(order) // 4, len(order) - 1 - len(order) // 20]]


def main() -> None:
    """Rewrite the page's tables; draw the picture where the data are given."""
    tables = markdown(json.loads(RESULT.read_text(encoding="utf-8")))
    page = PAGE.read_text(encoding="utf-8")
    block = f"<!-- tables -->\n{tables}<!-- /tables -->"
    PAGE.write_text(
        re.sub(r"<!-- tables -->.*<!-- /tables -->", lambda _: block, page, flags=re.DOTALL), encoding="utf-8"
    )
    if len(sys.argv) > 1:
        torch.set_num_threads(1)
        drawn = io.BytesIO()
        masks(Path(sys.argv[1])).savefig(drawn, format="png")
        with Image.open(drawn) as picture:
            picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=128).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
