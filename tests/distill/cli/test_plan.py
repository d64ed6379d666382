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
        "! 16 exposures an image give 3.75 images/s, 1000 are wanted: use an SLM of"
        in capsys.readouterr().out
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
