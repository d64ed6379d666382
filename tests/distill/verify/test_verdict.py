"""Both engines are judged, on answers and on counts, before any number is rounded; the line says which one and why."""

from __future__ import annotations

import pytest
import torch

from distill.export.write import export
from distill.verify.lightpipes import LightPipesBench
from distill.verify.verdict import Engine, Limits, Verification, told_apart
from distill.verify.verification import verify
from optics.fourf.system import FourF
from tests.distill.exportbench import BENCH, dataset, network

GOOD = Engine(accuracy=0.9, agreement=1.0, images=50, counts_error=1e-3, worst_counts_error=2e-3, seconds=1.0)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verdict") / "out"
    export(network(), folder, inputs=dataset(), count=12)
    return folder


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, []),
        ({"wave.agreement": 0.97999}, [("wave path", "answers")]),
        ({"lightpipes.agreement": 0.97999}, [("LightPipes", "answers")]),
        ({"wave.counts_error": 0.0020001}, [("wave path", "counts")]),
        ({"lightpipes.counts_error": 0.020001}, [("LightPipes", "counts")]),
        (
            {"lightpipes.agreement": 0.0, "lightpipes.counts_error": 1.4},
            [("LightPipes", "counts"), ("LightPipes", "answers")],
        ),
        ({"lightpipes": None}, []),
        ({"wave": None, "lightpipes.counts_error": 0.5}, [("LightPipes", "counts")]),
    ],
)
def test_each_limit_of_each_engine_decides(change, failed):
    verdict = Verification(wave=GOOD, lightpipes=GOOD).replace(**change).judged()
    assert verdict.passed is not failed
    assert [(f.engine, f.what) for f in verdict.failures] == failed
    assert verdict.line.startswith("Failed: " + failed[0][0] if failed else "Passed")
    assert ("LightPipes was not asked." in verdict.notes) == ("lightpipes" in change)


def test_nothing_asked_is_no_proof():
    assert not Verification(wave=None, lightpipes=None).judged().passed


def test_limits_are_those_that_were_given():
    found = Verification(wave=GOOD, lightpipes=GOOD.replace(agreement=0.5))
    assert found.judged(Limits(agreement=0.5)).passed
    assert not found.judged(Limits(agreement=0.5, wave_counts_error=9.99e-4)).passed


@pytest.mark.parametrize(
    ("found", "limit"), [(0.97999, 0.98), (0.979999999, 0.98), (0.0200001, 0.02), (0.5, 0.98)]
)
def test_a_number_is_told_from_its_limit(found, limit):
    texts = told_apart(found, limit)
    assert texts[0] != texts[1]
    assert (float(texts[0][:-2]) < float(texts[1][:-2])) == (found < limit)


@pytest.mark.parametrize(
    ("engine", "other", "turn"),
    [
        ((LightPipesBench, "leaving", "LightPipes"), "wave path", lambda u: u.flip(-1)),
        ((LightPipesBench, "leaving", "LightPipes"), "wave path", lambda u: u.flip(-2)),
        ((LightPipesBench, "leaving", "LightPipes"), "wave path", lambda u: u * 1.05),
        ((FourF, "through", "wave path"), "LightPipes", lambda u: u.flip(-1)),
        ((FourF, "through", "wave path"), "LightPipes", lambda u: u * 1.01),
    ],
)
def test_an_engine_that_computes_something_else_fails_and_is_named(
    exported, monkeypatch, engine, other, turn
):
    kind, last, name = engine
    true = getattr(kind, last)
    monkeypatch.setattr(kind, last, lambda *args, **options: turn(true(*args, **options)))
    verdict = verify(exported, wave_images=4, lightpipes_images=1).judged()
    assert not verdict.passed
    assert {f.engine for f in verdict.failures} == {name}
    assert f"only {'the wave path' if name == 'wave path' else name} does" in verdict.line
    assert other not in [f.engine for f in verdict.failures]


def test_a_dim_export_is_judged_by_its_light_and_said_to_be_dim(tmp_path):
    export(network(BENCH.replace(**{"light.photons": 6.0})), tmp_path / "out", inputs=dataset(), count=6)
    found = verify(tmp_path / "out", wave_images=6, lightpipes_images=1)
    for engine in (found.wave, found.lightpipes):
        assert engine.rounding > 0.02
        assert engine.signal < 10
        assert engine.counts_error < 0.01  # the converter's rounding is not the light's fault
    assert "counts a pixel" in found.judged().notes[-1]
    few = found.replace(**{"wave.agreement": 0.5}).judged()
    assert "converter rounds" in few.line


def test_both_engines_say_what_they_share(exported):
    shared = " ".join(verify(exported, wave_images=1, lightpipes_images=0).shared)
    for word in ("manifest", "table of levels", "fringing", "ripple", "electronics"):
        assert word in shared


def test_an_answer_that_is_no_number_is_refused(exported, monkeypatch):
    from distill.verify import verification
    from optics.checks import OpticsError

    true = verification.as_written

    def broken(found):
        made = true(found)
        with torch.no_grad():
            made.backend.classifier[0].bias[1] = float("nan")
        return made

    monkeypatch.setattr(verification, "as_written", broken)
    with pytest.raises(OpticsError, match="wave path: the network answers image 0 with no finite number"):
        verify(exported, wave_images=2, lightpipes_images=0)
