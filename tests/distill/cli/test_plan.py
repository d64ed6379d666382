"""`sclc plan`: text, JSON and exit codes."""

from __future__ import annotations

import json

import pytest

from distill.cli.main import main


def test_a_plan_that_fits_is_told_in_text_and_json(capsys):
    assert main(["plan", "--kernels", "16", "--taps", "7", "--image", "28"]) == 0
    text = capsys.readouterr().out
    assert "16 kernels of 7 x 7 taps on images of 28 x 28, intensity read-out: fits" in text
    assert "3.33 mm, 416 SLM pixels" in text
    assert main(["plan", "--image", "28x20", "--batch", "8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["image_shape"] == [28, 20]
    assert found["fits"] is True
    assert found["schedules"][0]["frames"] == 16
    assert found["memory"]["wave"] >= found["memory"]["psf"] > 0


def test_a_plan_that_does_not_fit_says_what_would_and_fails(capsys):
    assert main(["plan", "--rate", "1000"]) == 1
    assert (
        "! 16 exposures an image give 2.5 images/s, 1000 are wanted: use an SLM of" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "big"], "--image is 'big'"),
        (["--readout", "ear"], "one of intensity, homodyne, incoherent"),
        (["no-such-bench"], "no-such-bench"),
    ],
)
def test_bad_input_is_one_line_and_code_2(capsys, arguments, message):
    assert main(["plan", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said", "unsaid"),
    [
        (["--kernels", "1", "--image", "400"], ["1 kernel of 7", "no place in an SLM"], ["1 kernels", "0 at"]),
        (["--rate", "80", "--kernels", "1"], ["an SLM of 80 frames/s (now 60)"], ["now 0.01"]),
        (["--rate", "1000"], ["an SLM of 1.6e+04", "of together at most 6.25e-05 s (now 0.025)"], []),
        (["--rate", "200", "--kernels", "1"], ["a camera.exposure of 0.005 s (now 0.01)"], ["together"]),
        (["ideal-200mm"], ["light.photons is absent", "-: not known"], []),
    ],
)  # fmt: skip
def test_a_plan_gives_reasons_and_advises_only_what_would_change_something(capsys, arguments, said, unsaid):
    main(["plan", *arguments])
    text = capsys.readouterr().out
    assert all(word in text for word in said)
    assert not any(word in text for word in unsaid)


@pytest.mark.parametrize("rate", ["-1", "0", "nan", "inf"])
def test_a_rate_that_no_bench_can_have_is_refused(capsys, rate):
    assert main(["plan", "--rate", rate]) == 2
    assert "images per second, above 0" in capsys.readouterr().err
