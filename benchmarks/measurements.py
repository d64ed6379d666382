"""Single measurements on random simulated benches with every flaw at once: how far off, and whether errors hold.

The benches are those of `benchmarks.calibration`; each number that a measurement gives is compared with the hidden one.
With `--doctor` the whole examination of one bench of full size, and what it costs.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from rich.table import Table

from benchmarks.calibration import nominal_bench, random_bench
from calibration.doctor.examination import examine
from calibration.measurements.registry import measurement
from calibration.measuring.conduct import measure as carry_out
from calibration.rigs.simulated import simulated_rig
from calibration.twin.values import get_value
from optics.bench.spec import BenchSpec

NUMBERS = {
    "radiometry": {
        "gain": "camera.adc.gain",
        "read_noise": "camera.read_noise",
        "black_level": "camera.adc.black_level",
    },
    "display": {
        "magnification": "alignment.magnification",
        "camera_shift_y": "alignment.camera_shift.0",
        "camera_shift_x": "alignment.camera_shift.1",
    },
    "panel": {"rotation": "alignment.mask_rotation"},
    "response": {"range": "slm.response.range", "gamma": "slm.response.gamma"},
    "zero_order": {"fill_factor": "slm.fill_factor"},
    "fringing": {"width_y": "slm.crosstalk.0", "width_x": "slm.crosstalk.1"},
}
"""What each measurement tells, by the key of the hidden number."""


def run_one(nominal: BenchSpec, seed: int) -> list[dict[str, Any]]:
    """All measurements of one random bench, a row a number."""
    generator = torch.Generator().manual_seed(seed)
    truth = random_bench(nominal, generator)
    rows = []
    for name, numbers in NUMBERS.items():
        begun = time.process_time()
        finding = carry_out(measurement(name), simulated_rig(truth, nominal, generator=generator)).finding
        seconds = time.process_time() - begun
        for label, key in numbers.items():
            number = finding.number(label)
            error = number.value - get_value(truth, key)
            row = {
                "measurement": name,
                "number": label,
                "unit": number.unit,
                "seed": seed,
                "seconds": seconds,
            }
            rows.append(row | {"error": error, "stated": number.uncertainty, "frames": finding.frames})
    return rows


def examined(seed: int, quick: bool) -> dict[str, Any]:
    """Every measurement of one bench, of full size unless `quick`: frames, CPU seconds, verdict."""
    nominal = nominal_bench(full=not quick)
    generator = torch.Generator().manual_seed(seed)
    rig = simulated_rig(random_bench(nominal, generator), nominal, generator=generator)
    began: dict[str, float] = {}

    def tell(name: str, done: int, count: int) -> None:
        began.setdefault(name, time.process_time())

    names = ["orientation", "display"] if quick else None
    found = examine(rig, names, tell=tell, quick_only=False)
    # from a measurement's first frame to the next one's: frames are made on the way, and few are worth counting
    ends = [*list(began.values())[1:], time.process_time()]
    seconds = {name: end - at for (name, at), end in zip(began.items(), ends, strict=True)}
    rows = [
        {"measurement": f.name, "frames": f.frames, "seconds": seconds.get(f.name, 0.0), "verdict": f.verdict}
        for f in (m.finding for m in found.measured)
    ]
    return {"doctor": rows, "first": found.first, "skipped": dict(found.skipped), "seed": seed}


def measure(
    *, quick: bool = False, benches: int = 10, first: int = 0, doctor: bool = False
) -> dict[str, Any]:
    """Every number of every bench; or the examination of one."""
    if doctor:
        return examined(first, quick)
    nominal = nominal_bench(full=False)
    count = 1 if quick else benches
    rows = [row for seed in range(first, first + count) for row in run_one(nominal, seed)]
    return {"benches": count, "rows": rows, "within": [within(rows, 1), within(rows, 2)]}


def tables(result: dict[str, Any]) -> list[Table]:
    """One row a number: root mean square error, stated error, and how often it holds; or one a measurement."""
    if "doctor" in result:
        told = Table(title=f"bench {result['seed']}, whole examination. {result['first']}", box=None)
        for head in ("measurement", "frames", "CPU s", "verdict"):
            told.add_column(head)
        for row in result["doctor"]:
            told.add_row(row["measurement"], str(row["frames"]), f"{row['seconds']:.1f}", str(row["verdict"]))
        told.add_row(
            "all",
            str(sum(r["frames"] for r in result["doctor"])),
            f"{sum(r['seconds'] for r in result['doctor']):.0f}",
            "",
        )
        return [told]
    rows, (once, twice) = result["rows"], result["within"]
    title = f"{result['benches']} random benches, every flaw at once: {once:.0%} of the errors within what is stated, "
    table = Table(title=f"{title}{twice:.0%} within twice that", box=None)
    for head in ("measurement", "number", "frames", "error, rms", "stated", "within 1", "within 2", "CPU s"):
        table.add_column(head)
    for name, numbers in NUMBERS.items():
        for label in numbers:
            mine = [r for r in rows if (r["measurement"], r["number"]) == (name, label)]
            rms, stated = ((sum(r[k] ** 2 for r in mine) / len(mine)) ** 0.5 for k in ("error", "stated"))
            seconds = sum(r["seconds"] for r in mine) / len(mine)
            shares = (f"{within(mine, 1):.0%}", f"{within(mine, 2):.0%}")
            cells = (f"{rms:.2g}", f"{stated:.2g} {mine[0]['unit']}", *shares, f"{seconds:.1f}")
            table.add_row(name, label, str(mine[0]["frames"]), *cells)
    return [table]


def within(rows: list[dict[str, Any]], times: float) -> float:
    """Share of errors within that many stated ones."""
    return sum(abs(r["error"]) < times * r["stated"] for r in rows) / len(rows)
