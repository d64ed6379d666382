"""The manifest is enough: a program that knows only what is documented finds the logits; older manifests are read."""

from __future__ import annotations

import ast
import importlib.util
import json
import math
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.export.read import read_export
from distill.export.write import export
from distill.verify.verification import verify
from networks import Student
from optics.checks import OpticsError
from optics.slm.response import ResponseSpec
from tests.distill.exportbench import BENCH, SHAPE, dataset, network
from tests.scenes import generator

SCRIPT = Path(__file__).parents[3] / "examples" / "logits_from_counts.py"
V2 = Path(__file__).parents[1] / "assets" / "export-v2"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("logits_from_counts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def student(readout="intensity", **backend):
    made = Student.build(
        (1, 3, 4),
        image_shape=SHAPE,
        classes=3,
        bins=(4, 4),
        readout=readout,
        generator=generator(1),
        **backend,
    )
    on_bench = made.on(BENCH, image_shape=SHAPE).eval()
    with torch.no_grad():
        features = on_bench.features(dataset().images)
        rooted = made.backend.root(features).flatten(1)
        made.backend.norm.running_mean.copy_(rooted.mean(0))
        made.backend.norm.running_var.copy_(rooted.var(0))
    return on_bench


KNOWN = BENCH.replace(
    alignment={
        "mask_rotation": 0.04,
        "mask_shift": (5e-5, -3e-5),
        "camera_shift": (8e-5, 5e-5),
        "magnification": 1.04,
    },
    assumed_alignment="known",
)


def mounted(**ways):
    return network(BENCH.replace(**{f"mounting.{name}": way for name, way in ways.items()}))


CASES = {
    "classifier": network,
    "homodyne": lambda: network(readout="homodyne"),
    "homodyne, its beam by the field": lambda: network(readout="homodyne", reference=0.5),
    "homodyne, a strong beam": lambda: network(readout="homodyne", reference_light=0.6),
    "hidden layer and mix": lambda: student(hidden=(6,), mix=2),
    "embedder": lambda: student(head="embedder"),
    "no converter": lambda: network(BENCH.replace(**{"camera.adc.bits": None, "camera.adc.gain": 2.0})),
    "stray light and dark signal": lambda: network(
        BENCH.replace(
            **{"camera.background": 30.0, "camera.dark_current": 500.0, "camera.quantum_efficiency": 0.6}
        )
    ),
    "mounted otherwise": lambda: mounted(slm={"mirrored": True, "turned": 2}, camera={"turned": 1}),
    "known response": lambda: network(BENCH.replace(**{"slm.response.range": 7.0})),
    "another camera is assumed": lambda: network(
        BENCH.replace(assumed_camera={"background": 9.0, "adc": {"black_level": 3.0}})
    ),
    "a known alignment": lambda: network(KNOWN),
    "ten bits, aligned": lambda: network(BENCH.replace(**{"slm.bits": 10, "slm.frame_format": "high_bits"})),
    "four bits, full scale": lambda: network(
        BENCH.replace(**{"slm.bits": 4, "slm.frame_format": "full_scale"})
    ),
}


def test_the_script_needs_nothing_of_ours():
    names = set()
    for node in ast.walk(ast.parse(SCRIPT.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            names.add(node.module.split(".")[0])
    assert names == {"__future__", "json", "sys", "pathlib", "h5py", "numpy", "PIL", "safetensors"}


@pytest.mark.parametrize("case", CASES)
def test_logits_follow_from_the_documented_manifest(case, script, tmp_path):
    export(CASES[case](), tmp_path / "out", inputs=dataset(), count=6)
    logits, levels = script.main(tmp_path / "out")
    assert logits < 1e-5
    assert levels == 0
    assert float(read_export(tmp_path / "out").logits.std(0).min()) > 1e-3  # images make a difference


@pytest.mark.parametrize(
    ("beam", "told"),
    [
        ({}, r"alone gives 6\.25 % of the counts"),
        ({"reference_light": 0.5}, r"alone gives 25 % of the counts"),
        ({"reference": 0.5}, r"alone gives [\d.e-]+ to [\d.e-]+ % \(in the order of the masks, amplitudes: "),
    ],
)
def test_the_laboratory_is_told_how_bright_the_reference_beam_is(beam, told, tmp_path):
    made = network(readout="homodyne", **beam)
    export(made, tmp_path / "out", inputs=dataset(), count=2)
    text = " ".join((tmp_path / "out" / "README.txt").read_text().split())
    assert re.search(told, text)
    if "reference" in beam:
        amplitudes = [float(a) for a in re.search(r"amplitudes: ([^)]*)", text)[1].split(", ")]
        scales = made.light().scales
        assert amplitudes == pytest.approx((0.5 / scales).tolist(), rel=5e-3)


def test_what_the_manifest_adds_is_what_the_code_uses(tmp_path):
    made = network(BENCH.replace(**{"slm.response.range": 7.0}))
    manifest = export(made, tmp_path / "out", inputs=dataset(), count=2)
    assert manifest.gain == pytest.approx(made.gain)
    assert manifest.gain < 0.9  # scales alone would be wrong
    assert manifest.assumed_response["range"] == 7.0
    assert manifest.camera_window.binning == 8
    rows, columns = made.recorders[0].region
    assert manifest.camera_window.rows == (8 * rows.start, 8 * rows.stop)
    assert manifest.camera_window.columns == (8 * columns.start, 8 * columns.stop)
    y, x = manifest.places.signal_order
    assert manifest.places.zero_order == (200, 150)
    # carrier 0.125 lambda f / pitch = 416 um, 104 sensor pixels towards -y on the upright axes
    assert (y, x) == (pytest.approx(200 - 0.125 * 532e-9 * 0.05 / 8e-6 / 4e-6), 150)
    assert manifest.camera_window.rows[0] < y < manifest.camera_window.rows[1]


def test_a_raw_sensor_frame_becomes_counts(script, tmp_path):
    """What a mirrored, turned camera really gives is cut and turned to the counts of the reference."""
    plain = network()
    made = mounted(camera={"mirrored": True, "turned": 3})
    manifest = export(made, tmp_path / "out", inputs=dataset(), count=2)
    with torch.no_grad():
        want = plain.frames(dataset().images[:1])[0, 0].numpy()
    plane = np.zeros((400, 300))
    rows, columns = plain.recorders[0].region
    fine = np.kron(want, np.ones((8, 8)))
    plane[8 * rows.start : 8 * rows.stop, 8 * columns.start : 8 * columns.stop] = fine
    raw = made.bench.mounting.camera.to_picture(torch.from_numpy(plane)).numpy()
    window = json.loads(manifest.to_json())["camera_window"]
    got = script.upright(script.binned(raw, window), {"mirrored": True, "turned": 3})
    assert np.allclose(got, 64 * want)


# ---------------------------------------------------------------------- mounting


@pytest.mark.parametrize("way", [{"mirrored": True}, {"turned": 2}, {"mirrored": True, "turned": 2}])
def test_frames_follow_the_mounting_and_are_proved_with_it(way, tmp_path):
    plain, made = network(), mounted(slm=way)
    export(plain, tmp_path / "plain", inputs=dataset(), count=4)
    export(made, tmp_path / "made", inputs=dataset(), count=4)
    files = [tmp_path / name / "slm" / "frame-000.png" for name in ("plain", "made")]
    assert files[0].read_bytes() != files[1].read_bytes()
    assert torch.equal(read_export(tmp_path / "made").levels, read_export(tmp_path / "plain").levels)
    found = verify(tmp_path / "made", wave_images=4, lightpipes_images=1)
    assert found.judged().passed
    # the same files on a panel that is mounted upright are not a proof
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    manifest["bench"]["mounting"]["slm"] = {}
    (tmp_path / "made" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(OpticsError, match="differs from the image files"):
        verify(tmp_path / "made", wave_images=4, lightpipes_images=0)


def test_a_panel_on_its_side_has_files_of_its_own_rows(tmp_path):
    bench = BENCH.replace(**{"slm.shape": (150, 120), "mounting.slm": {"turned": 1}})
    export(network(bench), tmp_path / "out", inputs=dataset(), count=2)
    from PIL import Image

    with Image.open(tmp_path / "out" / "slm" / "frame-000.png") as image:
        assert image.size == (150, 120)  # 120 rows of 150
    assert read_export(tmp_path / "out").levels.shape[1:] == (150, 120)


# ---------------------------------------------------------------------- older and newer


def test_an_export_that_version_2_wrote_is_read_and_proved():
    back = read_export(V2)
    assert back.manifest.schema_version == 2
    assert back.manifest.gain is None
    assert back.levels.shape == (2, 44, 56)
    assert back.manifest.arranged.way == "collapsed"
    found = verify(V2, wave_images=3, lightpipes_images=1, processes=1)  # its binned pixels stood elsewhere
    assert found.judged().passed
    assert found.wave.counts_error < 1e-4
    assert found.wave.written_by == back.manifest.package_version


def test_an_export_of_version_3_is_read_and_proved(tmp_path):
    """As it was: without what says how frames stand to images; one mask a frame of grey images, classes."""
    export(network(), tmp_path / "out", inputs=dataset(), count=3)
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text()) | {"schema_version": 3}
    new = ("answers", "own_backend", "arrangement", "mask_scales", "tile_windows", "exposures", "masks_known")
    path.write_text(json.dumps({key: value for key, value in manifest.items() if key not in new}))
    back = read_export(tmp_path / "out")
    assert (back.manifest.kind, back.manifest.arranged.way) == ("classes", "collapsed")
    found = verify(tmp_path / "out", wave_images=3, lightpipes_images=0)
    assert found.judged().passed
    assert found.wave.written_by == back.manifest.package_version


def test_a_newer_export_is_refused_by_name(tmp_path):
    copy = Path(shutil.copytree(V2, tmp_path / "new"))
    text = (copy / "manifest.json").read_text().replace('"schema_version": 2', '"schema_version": 5')
    (copy / "manifest.json").write_text(text)
    with pytest.raises(OpticsError, match=r"schema_version is 5, this package reads 1 to 4"):
        read_export(copy)


def test_a_key_that_version_3_needs_is_named(tmp_path):
    export(network(), tmp_path / "out", inputs=dataset(), count=2)
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"gain": None}))
    with pytest.raises(OpticsError, match="gain is missing"):
        read_export(tmp_path / "out")
    path.write_text(json.dumps(manifest | {"class_names": ["a", "b", "d"]}))
    with pytest.raises(OpticsError, match=r"reference\.h5.*class_names"):
        read_export(tmp_path / "out")


def test_a_manifest_with_the_word_of_before_is_read(tmp_path):
    assumed = BENCH.camera.replace(**{"adc.black_level": 3.0})
    on_bench = network(BENCH.replace(assumed_camera={"adc": {"black_level": 3.0}}))
    export(on_bench, tmp_path / "out", inputs=dataset(), count=2)
    path = tmp_path / "out" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(
        json.dumps(manifest | {"believed_camera": manifest["assumed_camera"]} | {"assumed_camera": None})
    )
    with pytest.raises(OpticsError, match="believed_camera"):
        read_export(tmp_path / "out")
    manifest["believed_camera"] = manifest.pop("assumed_camera")
    path.write_text(json.dumps(manifest))
    back = read_export(tmp_path / "out")
    assert back.assumed_camera == assumed


def test_where_light_lands_follows_the_alignment_that_is_assumed(tmp_path):
    (y0, x0), (y, x) = (
        export(network(bench), tmp_path / name, inputs=dataset(), count=2).places.zero_order
        for name, bench in (("nominal", BENCH), ("known", KNOWN))
    )
    pitch = BENCH.camera.pitch
    assert (y - y0, x - x0) == pytest.approx((-8e-5 / pitch, -5e-5 / pitch))


def test_a_response_assumed_from_python_is_in_the_manifest(tmp_path):
    made = Student.build((1, 2), image_shape=SHAPE, classes=3, bins=(3, 3), generator=generator(1))
    on_bench = made.on(BENCH, image_shape=SHAPE, assumed_response=ResponseSpec(range=7.5872)).eval()
    manifest = export(on_bench, tmp_path / "out", inputs=dataset(), count=2)
    assert manifest.assumed_response["range"] == 7.5872
    assert int(read_export(tmp_path / "out").levels.max()) <= math.ceil(256 * 2 * math.pi / 7.5872)


def test_a_mirror_array_gets_pixels_of_one_bit(tmp_path):
    """The catalogue's device says so; what a byte input is sent is 0 and 255."""
    from PIL import Image

    from optics.bench.catalogue import load

    form = load("ti-dlp6500", kind="slm").spec().frame_format
    changes = {
        "slm.modulation": "dmd",
        "slm.bits": 1,
        "slm.flicker": 0.0,
        "slm.crosstalk": 0.0,
        "slm.frame_format": form,
    }
    bench = BENCH.replace(**changes, encoding={"method": "lee", "carrier": (0.15, 0.04)})
    made = network(bench)
    export(made, tmp_path / "out", inputs=dataset(), count=2, bmp=True)
    for name in ("frame-000.png", "frame-000.bmp"):
        with Image.open(tmp_path / "out" / "slm" / name) as image:
            assert image.mode == "1"
            assert set(np.unique(np.array(image.convert("L")))) == {0, 255}
    assert torch.equal(read_export(tmp_path / "out").levels, made.optics.levels())


@pytest.mark.parametrize(
    ("bits", "form", "grey"),
    [
        (10, "high_bits", 300 << 6),
        (10, "levels", 300),
        (4, "full_scale", 255),
        (1, "full_scale", 255),
        (4, "high_bits", 240),
    ],
)
def test_levels_of_every_form_survive_the_file(bits, form, grey):
    import io

    from PIL import Image

    from distill.export.frames import decode_frame, encode_frame, file_bits

    level = 300 if bits == 10 else 2**bits - 1
    levels = torch.arange(2**bits).repeat(2, 1)
    levels[1, 0] = level
    data = encode_frame(levels, bits, frame_format=form)
    assert np.array(Image.open(io.BytesIO(data)))[1, 0] == grey
    asked = {"bits": file_bits(bits, form), "shape": tuple(levels.shape), "name": "f", "device_bits": bits}
    assert torch.equal(decode_frame(data, frame_format=form, **asked), levels.to(torch.int32))
    if form != "levels":
        odd = encode_frame(torch.full((2, 2**bits), 3), 8 if bits <= 8 else 16)
        with pytest.raises(OpticsError, match="grey value 3, which stands for no level"):
            decode_frame(odd, frame_format=form, **asked)
