"""How strong the reference beam of a homodyne read-out should be: answers of one network with beams of several
strengths.

A network from a file on a bench, its read-out's `reference_light` replaced by one strength after the other, beside the
same without noise. Test images, with the standard error from their number and the spread over noise draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from distill.pipeline.single_steps import open_file
from distill.training.evaluation import evaluate, evaluate_draws
from networks.readouts import Homodyne
from optics.errors import OpticsError

BEAMS = (3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.25)


def measure(
    *,
    network: Path,
    config: Path,
    beams: Sequence[float] = BEAMS,
    images: int = 500,
    draws: int = 3,
    sets: Sequence[str] = (),
) -> dict[str, Any]:
    """Accuracy on the configuration's bench for every strength of the beam.

    Args:
        network: a file that `distill.save` or `sclc results` wrote, of a homodyne network.
        config: the run file that names its data and its bench.
        beams: `reference_light` of the read-out: shares of the amplitude that a white picture gives.
        images: of the test part.
        draws: noise draws of every row.
        sets: `KEY=VALUE`, as of `sclc run`.

    Raises:
        OpticsError: no such network, another read-out, or a beam that alone saturates the camera.
    """
    job = open_file(network, config=config, sets=sets)
    test = job.splits.test.take(torch.arange(min(images, len(job.splits.test))))
    student = job.student("linear_kd").eval()
    if not isinstance(student.readout, Homodyne):
        raise OpticsError(f"{network} has the read-out {student.readout.name!r}; a beam is homodyne's alone.")
    rows = []
    for beam in beams:
        options = student.readout.options() | {"reference": None, "reference_light": beam}
        student.readout = Homodyne(student.readout.camera.bins, **options)
        on_bench = job.on_bench(student, job.bench, calibrated=False)
        row = evaluate_draws(on_bench, test, draws=draws, seed=job.config.seed)
        rows.append({"beam": beam, "figure": row.accuracy, "spread": row.spread})
    still = evaluate(student, test)
    about = {"network": network.name, "bench": job.bench.name, "images": len(test), "draws": draws}
    told = {"metric": still.metric, "computed": still.accuracy, "sampling": still.uncertainty}
    return about | told | {"rows": rows}


def tables(result: dict[str, Any]) -> list[Table]:
    """A row for each strength."""
    table = Table(
        title=f"{result['network']} on {result['bench']}: {result['images']} test images, {result['draws']} draws; "
        f"computed {result['computed']:.1%}, sampling {result['sampling']:.1%}"
    )
    for column in ("beam, of a white picture", result["metric"], "spread over draws"):
        table.add_column(column, justify="right")
    for row in result["rows"]:
        table.add_row(f"{row['beam']:g}", f"{row['figure']:.1%}", f"{row['spread']:.1%}")
    return [table]
