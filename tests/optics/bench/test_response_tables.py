"""Tables of makers and of one's own measurement: taken for what they say, or refused in one short line."""

from __future__ import annotations

import math

import numpy as np
import pytest

from optics.bench.files import load_bench
from optics.bench.response_tables import phases, rising
from optics.checks import SpecError
from optics.slm.response import ResponseSpec

TURNS = np.arange(256) / 256 * 1.2
BENCH = """
name = "mine"
[light]
wavelength = 532e-9
[input]
pitch = 32e-6
[lens1]
focal_length = 0.2
[lens2]
focal_length = 0.2
[slm]
device = "holoeye-pluto-2"
[slm.response]
file = "table.csv"
{unit}
[camera]
shape = [400, 500]
pitch = 4e-6
"""


def two_columns(values, sep=",", decimal="."):
    return "\n".join(f"{k}{sep}{f'{v:.9f}'.replace('.', decimal)}" for k, v in enumerate(values))


def bench(folder, text, unit='unit = "turns"'):
    (folder / "table.csv").write_text(text)
    (folder / "bench.toml").write_text(BENCH.format(unit=unit))
    return load_bench(folder / "bench.toml")


TAKEN = {
    "comma": (two_columns(TURNS), "turns"),
    "semicolon and decimal comma": (two_columns(TURNS, ";", ","), "turns"),
    "tab, heading, remarks": ("# 532 nm\nlevel\tphase\n" + two_columns(TURNS, "\t"), "turns"),
    "one column": ("\n".join(map(str, TURNS)), "turns"),
    "units of pi": (two_columns(2 * TURNS), "pi"),
    "degrees": (two_columns(360 * TURNS), "degrees"),
    "radians": (two_columns(2 * math.pi * TURNS), "radians"),
    "a mark in front": ("\ufeffgrey;phase\n" + two_columns(TURNS, ";"), "turns"),
    "any order": ("\n".join(reversed(two_columns(TURNS).splitlines())), "turns"),
    "modulo a turn": (two_columns(TURNS % 1.0), "turns"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_a_table_is_what_it_says(case, tmp_path):
    text, unit = TAKEN[case]
    response = bench(tmp_path, text, f'unit = "{unit}"').slm.response
    assert np.allclose(response.lut, 2 * math.pi * TURNS, atol=1e-6)
    assert response.source.startswith(f"table.csv: 256 levels, {unit}")
    assert ("unwrapped" in response.source) == (case == "modulo a turn")


def test_noise_is_taken_out_and_said(tmp_path):
    noisy = TURNS + 0.004 * np.random.default_rng(0).standard_normal(256)
    response = bench(tmp_path, two_columns(noisy)).slm.response
    assert np.all(np.diff(response.lut) >= 0)
    assert np.abs(np.array(response.lut) - 2 * math.pi * TURNS).max() < 0.1
    assert "made rising by moving values by up to 0.0" in response.source


def test_a_table_that_falls_is_taken_as_it_is_and_said(tmp_path):
    noisy = 1.2 - TURNS + 0.004 * np.random.default_rng(0).standard_normal(256)
    response = bench(tmp_path, two_columns(noisy)).slm.response
    assert np.all(np.diff(response.lut) <= 0)
    assert np.abs(np.array(response.lut) - 2 * math.pi * (1.2 - TURNS)).max() < 0.1
    assert "falls with the level, made falling by moving values" in response.source


def test_the_fit_is_the_nearest_rising_curve():
    """Against the definition: means of the blocks that it makes, and no better neighbour."""
    values = np.array([0.0, 2.0, 1.0, 1.5, 3.0, 2.5])
    assert np.allclose(rising(values), [0, 1.5, 1.5, 1.5, 2.75, 2.75])
    drawn = np.random.default_rng(1).standard_normal(40)
    fit = rising(drawn)
    assert np.all(np.diff(fit) >= 0)
    for _ in range(50):
        other = np.sort(fit + 0.1 * np.random.default_rng(_).standard_normal(40))
        assert np.sum((fit - drawn) ** 2) <= np.sum((other - drawn) ** 2)


REFUSED = {
    "driver values": (two_columns(np.arange(256) * 16.0), "radians", "driver"),
    "degrees as radians": (two_columns(360 * TURNS), "radians", "degrees"),
    "a driver's table is kept": (
        two_columns(np.arange(256) * 16.0),
        "radians",
        'slm.driver_table = "table.csv"',
    ),
    "down and up": (two_columns(1.0 - TURNS + 0.4 * np.sin(30 * TURNS)), "turns", "falls with"),
    "up and down": (two_columns(0.5 + 0.4 * np.sin(12 * TURNS)), "turns", "rises"),
    "levels missing": (two_columns(TURNS).replace("\n7,", "\n700,"), "turns", "levels 0 to 255"),
    "too few for the device": (two_columns(TURNS[:200]), "turns", "2**bits"),
    "three columns": ("1,2,3\n2,3,4", "turns", "3 columns"),
    "words within": ("0,0.1\nover,load\n", "turns", "no numbers"),
    "nothing": ("# empty\n", "turns", "no table"),
    "not a number": ("0,nan\n1,0.5\n", "turns", "finite"),
    "a picture": ("\x00\x01", "turns", "table"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_one_short_line(case, tmp_path):
    text, unit, word = REFUSED[case]
    with pytest.raises(SpecError, match=word.replace("*", r"\*")) as error:
        bench(tmp_path, text, f'unit = "{unit}"')
    line = str(error.value)
    assert "\n" not in line
    assert len(line.replace(str(tmp_path), "")) < 330


@pytest.mark.parametrize(
    ("lut", "word"),
    [
        (tuple(16.0 * k for k in range(256)), "driver"),
        (tuple(360 / 256 * k for k in range(256)), "degrees"),
        ((0.0, 0.5, 0.4, *(0.02 * k for k in range(30, 283))), "falls after level 1, from 0.5 to 0.4"),
        ((6.0, 0.5, 0.6, *(0.5 - 0.001 * k for k in range(253))), "rises after level 1, from 0.5 to 0.6"),
    ],
)
def test_the_same_holds_for_a_table_that_is_written_out(lut, word, tmp_path):
    with pytest.raises(SpecError, match=word) as error:
        ResponseSpec(lut=lut)
    assert len(str(error.value)) < 300
    numbers = ", ".join(map(str, lut))
    with pytest.raises(SpecError, match=word) as error:
        load_text(tmp_path, numbers)
    assert len(str(error.value).replace(str(tmp_path), "")) < 330


def load_text(folder, numbers):
    text = BENCH.format(unit="").replace('file = "table.csv"', f"lut = [{numbers}]")
    (folder / "bench.toml").write_text(text)
    return load_bench(folder / "bench.toml")


def test_a_missing_table_and_a_unit_alone_are_named(tmp_path):
    (tmp_path / "bench.toml").write_text(BENCH.format(unit='unit = "hours"'))
    with pytest.raises(SpecError, match="hours"):
        load_bench(tmp_path / "bench.toml")
    (tmp_path / "bench.toml").write_text(BENCH.format(unit=""))
    with pytest.raises(SpecError, match=r"table\.csv"):
        load_bench(tmp_path / "bench.toml")
    (tmp_path / "bench.toml").write_text(BENCH.format(unit='unit = "pi"').replace('file = "table.csv"', ""))
    with pytest.raises(SpecError, match=r"give response\.file"):
        load_bench(tmp_path / "bench.toml")
    (tmp_path / "a.csv").write_text(two_columns(TURNS))
    assert phases(tmp_path / "a.csv", "turns")[0][-1] == pytest.approx(2 * math.pi * TURNS[-1])
