"""A maker's correction or a measured map is in every frame, kept beside it, and leaves the masks what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from PIL import Image

from distill.export.read import read_export
from distill.export.write import export
from distill.verify.verification import verify
from optics.bench.files import bench_from_dict
from optics.bench.mounting import MountSpec
from optics.bench.panel_correction import corrected, correction_map
from optics.checks import OpticsError
from optics.slm.panel import SLM
from tests.distill.export.test_export import replace_file
from tests.distill.exportbench import BENCH, dataset, network

Y, X = np.mgrid[:120, :150]
PHASE = 9.0 * ((Y - 40) / 120) ** 2 + 5.0 * X / 150  # lopsided, more than a turn
GREY = np.rint(PHASE / (2 * math.pi) * 256).astype(np.int64) % 256


def bench(path, **changes):
    told = {"file": str(path), **changes.pop("correction", {})}
    return BENCH.replace(**{"slm.correction": told, **changes})


@pytest.fixture(scope="module")
def bitmap(tmp_path_factory):
    path = tmp_path_factory.mktemp("maker") / "CAL_532nm.bmp"
    Image.fromarray(GREY.astype(np.uint8)).save(path)
    return path


@pytest.fixture(scope="module")
def written(bitmap, tmp_path_factory):
    folder = tmp_path_factory.mktemp("corrected") / "out"
    made = network(bench(bitmap))
    return made, folder, export(made, folder, inputs=dataset(), count=4)


def on_circle(a, b) -> float:
    return float((torch.remainder(a - b + math.pi, 2 * math.pi) - math.pi).abs().max())


def test_the_table_of_a_driver_goes_with_the_frames(tmp_path):
    table = tmp_path / "slm4321_at532.lut"
    table.write_text("".join(f"{k} {16 * k}\n" for k in range(256)))
    bench = BENCH.replace(**{"slm.driver_table": str(table)})
    manifest = export(network(bench), tmp_path / "out", inputs=dataset(), count=2)
    assert manifest.driver_table == "driver/slm4321_at532.lut"
    assert (tmp_path / "out" / manifest.driver_table).read_bytes() == table.read_bytes()
    readme = (tmp_path / "out" / "README.txt").read_text()
    assert (
        readme.index("LOAD FIRST") < readme.index("driver/slm4321_at532.lut") < readme.index("WHAT TO SHOW")
    )
    table.unlink()
    read_export(tmp_path / "out")  # on another machine
    with pytest.raises(OpticsError, match=r"slm4321_at532\.lut"):
        export(network(bench), tmp_path / "again", inputs=dataset(), count=2)


def test_the_files_hold_the_sum_of_mask_and_correction(written):
    made, folder, manifest = written
    with Image.open(folder / manifest.slm_frames[1]) as image:
        shown = torch.from_numpy(np.array(image).astype(np.int64))
    levels = made.optics.levels()[1]
    step = 2 * math.pi / 256
    assert on_circle(shown * step, levels * step + torch.from_numpy(GREY * step)) < 1e-5
    with Image.open(folder / "lab" / "slm-blank.png") as image:
        assert np.array_equal(np.array(image), GREY)  # a blank panel is flat only with it
    assert torch.equal(read_export(folder).levels, made.optics.levels())


def test_the_proof_runs_on_the_masks_and_the_files_are_their_sum(written, tmp_path):
    import shutil

    _, folder, manifest = written
    assert verify(folder, wave_images=4, lightpipes_images=1).judged().passed
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    plain = tmp_path / "plain"
    export(network(), plain, inputs=dataset(), count=4)
    name = manifest.slm_frames[0]
    replace_file(copy, name, (plain / name).read_bytes())  # the frame without its correction
    with pytest.raises(OpticsError, match=r"masks\.h5: key levels differs from the image files"):
        read_export(copy)


@pytest.mark.parametrize("response", [{}, {"range": 7.5872}, {"range": 7.0, "gamma": 1.2}])
def test_a_panel_that_is_bent_by_the_negative_shows_the_masks(response):
    """Field of the corrected levels behind the deformation, against that of the masks on a flat panel."""
    spec = BENCH.slm.replace(crosstalk=(0.0, 0.0), flicker=0.0, fill_factor=1.0, response=response)
    panel = SLM(spec, dtype=torch.float64)
    wanted = torch.rand(2, 120, 150, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 6.2
    levels, bend = panel.levels(wanted), torch.from_numpy(PHASE)
    shown = panel.of_levels(corrected(levels, bend, 8, spec.assumed)) * torch.exp(-1j * bend)
    flat = panel.of_levels(levels)
    assert (
        float((shown - flat).norm() / flat.norm()) < 0.012
    )  # rounding to levels: 2 pi / 256 / sqrt(12), twice
    uncorrected = flat * torch.exp(-1j * bend)
    assert float((uncorrected - flat).norm() / flat.norm()) > 1.0


def test_every_form_of_the_file_is_the_same_map(bitmap, tmp_path):
    want = torch.from_numpy(GREY * (2 * math.pi / 256))
    assert torch.allclose(correction_map(bench(bitmap)), want)
    forms = {
        "palette.bmp": Image.fromarray(GREY.astype(np.uint8)).convert("P"),
        "grey.png": Image.fromarray(GREY.astype(np.uint8)),
        "rgb.png": Image.fromarray(np.repeat(GREY.astype(np.uint8)[..., None], 3, 2)),
        "deep.png": Image.fromarray((GREY * 256).astype(np.uint16)),
    }
    for name, image in forms.items():
        image.save(tmp_path / name)
        turn = {"correction": {"two_pi": 65536.0}} if name == "deep.png" else {}
        assert torch.allclose(correction_map(bench(tmp_path / name, **turn)), want), name
    np.save(tmp_path / "measured.npy", -PHASE)
    found = correction_map(bench(tmp_path / "measured.npy", correction={"measured": True}))
    assert torch.allclose(found, torch.from_numpy(PHASE))
    mount = {"mirrored": True, "turned": 2}
    turned = correction_map(bench(bitmap, **{"mounting.slm": mount}))
    assert torch.allclose(turned, MountSpec(**mount).to_plane(want))


def test_two_pi_at_level_n_is_the_response(bitmap):
    """A maker's 2 pi at level 210: frames scaled by 210 / 256, correction and all."""
    n = 210
    spec = BENCH.slm.replace(**{"response.range": 2 * math.pi * 256 / n})
    levels = corrected(
        torch.zeros(120, 150, dtype=torch.int32), torch.from_numpy(GREY * 2 * math.pi / 256), 8, spec.assumed
    )
    wanted = torch.from_numpy(np.rint(GREY * n / 256)) % n
    assert float((levels - wanted).abs().max()) <= 1
    assert int(levels.max()) <= n


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (GREY[:100].astype(np.uint8), "100 x 150 values, the panel 120 x 150"),
        (np.stack([GREY, GREY, 255 - GREY], -1).astype(np.uint8), "in colour"),
    ],
)
def test_a_map_that_is_not_the_panels_is_refused(values, word, tmp_path):
    Image.fromarray(values).save(tmp_path / "map.png")
    with pytest.raises(OpticsError, match=word):
        export(network(bench(tmp_path / "map.png")), tmp_path / "out", inputs=dataset(), count=2)
    assert not (tmp_path / "out").exists()


def test_what_is_no_map_is_refused(tmp_path):
    (tmp_path / "map.png").write_text("no picture")
    with pytest.raises(OpticsError, match="no image that is read here"):
        correction_map(bench(tmp_path / "map.png"))
    with pytest.raises(OpticsError, match=r"absent\.bmp"):
        correction_map(bench(tmp_path / "absent.bmp"))
    np.save(tmp_path / "nan.npy", np.full((120, 150), np.nan))
    with pytest.raises(OpticsError, match="not finite"):
        correction_map(bench(tmp_path / "nan.npy"))
    with pytest.raises(OpticsError, match="correction has no meaning"):
        bench(
            tmp_path / "map.png",
            **{
                "slm.modulation": "dmd",
                "slm.bits": 1,
                "slm.flicker": 0.0,
                "slm.crosstalk": 0.0,
                "encoding.method": "lee",
            },
        )


def test_the_file_is_looked_for_beside_the_bench(bitmap):
    data = BENCH.model_dump(mode="json")
    data["slm"]["correction"] = {"file": bitmap.name}
    found = bench_from_dict(data, source="bench.toml", search=bitmap.parent)
    assert found.slm.correction.file == str(bitmap)


REFUSED_EARLY = {
    "light of another read-out": (
        {"light": {"coherence": "incoherent"}},
        {},
        "needs the incoherent read-out",
    ),
    "a missing map": ({"slm": {"correction": {"file": "absent.bmp"}}}, {}, "absent.bmp"),
    "an ideal panel": ({"slm": {"modulation": "complex"}}, {}, "has no levels to export"),
}


@pytest.mark.parametrize("case", REFUSED_EARLY)
def test_an_export_that_will_be_refused_is_refused_before_any_training(case, tmp_path):
    from distill.job.config import demo
    from distill.pipeline.main_job import run

    bench_changes, changes, words = REFUSED_EARLY[case]
    plain = demo(fast=True)
    config = plain.replace(**changes, **{f"bench.{table}": value for table, value in bench_changes.items()})
    with pytest.raises(OpticsError, match=words):
        run(config, tmp_path / "run")
    assert not (tmp_path / "run" / "teacher").exists()
