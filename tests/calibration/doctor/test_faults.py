"""Faults of a bench, each detected and named by the examination; what was measured before is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from calibration.doctor.examination import Diagnosis, examine
from calibration.doctor.page import write_page
from calibration.rigs.kept import kept_rig
from calibration.rigs.simulated import Faults, simulated_rig
from tests.browser import WIDTHS, wrong_with
from tests.calibration import benches as small

NOMINAL = small.bench()


@dataclass(frozen=True)
class Case:
    """What is wrong, what is measured, and what the first trouble's name and words must say."""

    measurements: tuple[str, ...]
    first: str
    words: str
    flaws: dict[str, Any] = field(default_factory=dict)
    faults: Faults | None = None
    verdict: str = "failed"

    def examined(self, folder: Any = None, seed: int = 1) -> Diagnosis:
        truth = small.bench(**self.flaws)
        rig = simulated_rig(truth, NOMINAL, generator=small.generator(seed), faults=self.faults)
        rig.retries = 20 if self.faults and self.faults.dropped < 1 else 3
        return examine(rig, list(self.measurements), folder=folder)


def moving(seconds: float) -> Any:
    return small.bench(**{"alignment.camera_shift": (6e-6 * seconds, 0.0), "light.photons": 4e4})


def dimming(seconds: float) -> Any:
    return small.bench(**{"light.photons": 4e4 * (1 - 0.04 * seconds)})


CASES = {
    "blank": Case(("orientation", "display"), "blank", "no light in the frames", {"light.photons": 1e-6}),
    "saturated": Case(("display",), "saturated", "are at the camera's limit", {"light.photons": 4e11}),
    "silent": Case(("display", "panel"), "timed out", "no frame within 10 s", faults=Faults(silent_after=6)),
    "all dropped": Case(("display",), "dropped", "dropped the frame", faults=Faults(dropped=1.0)),
    "some dropped": Case(
        ("display",), "dropped", "were lost and taken again", faults=Faults(dropped=0.4), verdict="poor"
    ),
    "moving": Case(("display",), "drift", "the image moved by", faults=Faults(drift=moving), verdict="poor"),
    "dimming": Case(
        ("panel",), "drift", "the light changed by", faults=Faults(drift=dimming), verdict="poor"
    ),
    "mirrored camera": Case(
        ("orientation", "display"),
        "mounting.camera",
        "the camera is mirrored",
        {"mounting": {"camera": {"mirrored": True}}},
        verdict="poor",
    ),
    "mirrored display": Case(
        ("orientation", "display"),
        "mounting.display",
        "the display is mirrored",
        {"mounting": {"display": {"mirrored": True}}},
        verdict="poor",
    ),
    "turned panel": Case(
        ("orientation", "panel"),
        "mounting.slm",
        "turned by 2 quarter turns",
        {"mounting": {"slm": {"turned": 2}}},
        verdict="poor",
    ),
    "wrong panel": Case(("panel",), "slm.pitch", "wrong panel?", {"slm.pitch": 9.2e-6}, verdict="poor"),
    "slow panel": Case(
        ("settling", "display"),
        "slm.timing",
        "frames before that mix two patterns",
        {"slm.timing": {"latency": 0.03, "settling": 0.1}},
        verdict="poor",
    ),
    "none": Case(("orientation", "display", "panel"), "", "Nothing to mend", verdict="good"),
}


@pytest.mark.parametrize("label", CASES)
def test_a_fault_is_detected_and_named(label, tmp_path):
    case = CASES[label]
    found = case.examined(tmp_path)
    assert found.verdict == case.verdict, found.first
    assert case.words in found.first
    assert (found.troubles[0].name if found.troubles else "") == case.first
    page = write_page(found, tmp_path / "page.html").read_text()
    assert case.words.split("'")[0] in page and "<script" not in page
    if case.first in ("blank", "timed out"):
        assert found.skipped and all(case.first in why for why in found.skipped.values())
    if label != "blank":
        assert list(tmp_path.glob(f"*{'/*' * 2}.h5")) or label == "all dropped"


def test_what_was_measured_before_a_failure_is_kept_and_the_same_call_goes_on(tmp_path):
    assert CASES["silent"].examined(tmp_path).verdict == "failed"
    kept = len(list((tmp_path / "display" / "points").glob("*.h5")))
    assert kept > 0
    again = Case(("display", "panel"), "", "").examined(tmp_path)
    assert again.verdict == "good" and not again.skipped
    home = examine(kept_rig(str(tmp_path), NOMINAL), ["display", "panel"], folder=tmp_path)
    assert home.verdict == "good"


def test_the_corrected_bench_is_measured_good():
    flaws = {"alignment.camera_shift": (40e-6, -25e-6), "mounting": {"camera": {"mirrored": True}}}
    found = Case(("orientation", "display"), "", "", flaws).examined()
    assert found.bench.mounting.camera.mirrored and found.verdict == "poor"
    truth = small.bench(**flaws)
    again = examine(
        simulated_rig(truth, found.bench, generator=small.generator(3)), ["orientation", "display"]
    )
    assert again.verdict == "good" and not again.troubles


def test_troubles_are_sorted_by_what_they_do_to_the_light():
    flaws = {"alignment.camera_shift": (60e-6, 0.0), "alignment.mask_rotation": 0.003}
    found = Case(("display", "panel"), "", "", flaws).examined()
    assert [t.name for t in found.troubles] == ["alignment.camera_shift", "alignment.mask_rotation"]
    assert found.troubles[0].weight > found.troubles[1].weight > 0.01


def test_a_browser_finds_nothing_wrong_with_the_page(browser, tmp_path):
    page = write_page(CASES["wrong panel"].examined(tmp_path), tmp_path / "page.html")
    for width in WIDTHS.values():
        assert wrong_with(browser, page, width) == []
