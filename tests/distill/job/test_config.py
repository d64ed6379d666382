"""The run's configuration: defaults, files, `--set`, and errors that name file, line, key and known keys."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import get_args

import hypothesis
import pytest
from hypothesis import strategies as st
from pydantic import BaseModel

from distill.data.sources import names
from distill.job import config
from distill.job import toml as settings
from distill.job.config import NoiseAwareConfig, RunConfig, StudentConfig, TeacherConfig, load
from distill.training.spec import TrainSpec
from networks.students.spec import StudentSpec
from optics.checks import SpecError
from optics.toml_errors import table_of

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "configs"


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_demo_distils_three_convolutions_into_16_masks_on_the_pluto_bench():
    demo = config.demo()
    assert demo.student.training.distillation.alpha > 0
    assert len(demo.student.cascade.channels) >= 4  # three spectral convolutions or more
    assert demo.student.cascade.channels[-1] <= 16
    assert demo.evaluation.draws >= 5
    assert demo.verify.wave_images >= 64 and demo.verify.lightpipes_images >= 8  # within two minutes
    bench = demo.bench.resolve()
    assert bench.slm.shape == (1080, 1920)
    assert bench.slm.pitch == 8e-6
    assert (bench.slm.bits, bench.slm.fill_factor) == (8, 0.93)
    assert bench.light.wavelength == 532e-9
    assert (bench.lens1.focal_length, bench.camera.adc.bits) == (0.2, 12)


def test_the_fast_setting_changes_counts_and_sizes_only():
    full, fast = config.demo(), config.demo(fast=True)
    assert fast.bench == full.bench
    assert fast.student.readout.kind == full.student.readout.kind
    assert fast.data.limit is not None
    shown = 5000 * full.student.training.epochs
    assert fast.data.limit * fast.student.training.epochs < shown / 4
    assert fast.evaluation.draws >= 10


def test_a_file_holds_only_what_differs(tmp_path):
    got = config.load(write(tmp_path, "seed = 3\n[student.training]\nepochs = 2\n"))
    assert got.name == "mine"
    assert got.seed == 3
    assert got.student.training.epochs == 2
    assert got.student.readout.bins == RunConfig().student.readout.bins


def test_the_older_name_of_the_exposures_is_read(tmp_path):
    for key in ("frames", "exposures"):
        got = config.load(write(tmp_path, f"[calibration]\n{key} = 5\n"))
        assert got.calibration.exposures == 5
        assert "frames" not in got.to_toml()
    with pytest.raises(SpecError, match="frames"):
        config.load(write(tmp_path, "[calibration]\nframes = 5\nexposures = 5\n"))


@pytest.mark.parametrize(
    "text",
    [
        "[student.distillation]\ntemperature = 3.0\nalpha = 0.9\n",
        "[student.training]\ntemperature = 3.0\nalpha = 0.9\n",
        "[student.training]\ntemperature = 3.0\n[student.distillation]\nalpha = 0.9\n",
        "[student.training.distillation]\ntemperature = 3.0\nalpha = 0.9\n",
        "[student]\ndistillation = { temperature = 3.0, alpha = 0.9 }\n",
    ],
)
def test_the_distillation_is_read_in_its_short_and_in_its_former_place(tmp_path, text):
    got = config.load(write(tmp_path, text)).student.training.distillation
    assert (got.temperature, got.alpha) == (3.0, 0.9)
    for key in ("student.training.temperature", "student.distillation.temperature"):
        again = config.load(write(tmp_path, text), sets=[f"{key}=4"])
        assert (again.student.training.distillation.temperature, got.alpha) == (4.0, 0.9)


def test_the_former_keys_of_every_training_are_read(tmp_path):
    got = config.load(
        write(tmp_path, "[student.training]\nalpha = 0.2\n[refit]\nalpha = 0.3\ntemperature = 4\n")
    )
    assert got.student.training.distillation.alpha == 0.2
    assert got.refit.distillation.alpha == 0.3
    assert got.refit.distillation.temperature == 4.0
    assert TrainSpec(alpha=0.1).distillation.alpha == 0.1


def test_written_toml_reads_back_as_the_same_configuration(tmp_path):
    one = config.demo(
        sets=["bench.slm.bits=4", "bench.lens1.zernike={4=0.1}", "student.hidden=[32]", 'name="a \\"b\\" µ"']
    )
    assert config.load(write(tmp_path, one.to_toml())) == one


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("student.training.epochs=5", 5),
        ("student.training.epochs = 1_000", 1000),
    ],
)
def test_set_takes_integers(text, wanted):
    assert config.demo(sets=[text]).student.training.epochs == wanted


def test_set_is_typed_by_toml_and_bare_words_are_strings():
    got = config.demo(
        sets=[
            "data.source=some/where.h5",
            "student.bins=[2, 8]",
            "data.grey=true",
            "refit.learning_rate=1e-4",
        ]
    )
    assert got.data.source == "some/where.h5"
    assert got.student.readout.bins == (2, 8)
    assert got.data.grey is True
    assert got.refit.learning_rate == 1e-4


@pytest.mark.parametrize(
    "text",
    ["my.py:Net", "cuda:1", "C:\\new\\my.pt", "my nets/my.pt", "my (1).pt", "größe.pt", "n😀.pt", "a@b:/c"],
)
def test_text_that_opens_nothing_is_a_string_as_it_stands(text):
    assert settings.assignment(f"teacher.module={text}") == {"teacher": {"module": text}}


def test_a_teacher_s_module_is_set_as_it_is_said(tmp_path):
    told = config.demo(sets=["teacher.module=my.py:Net", "teacher.weights=my.pt"]).teacher
    assert (told.module, told.weights) == ("my.py:Net", "my.pt")


@pytest.mark.parametrize("text", ["3d.h5", "x=y", "-x", "@a", "1.2.3", "2024-13-45", "a#b"])
def test_text_that_may_be_broken_toml_is_told_in_the_quotes_that_it_needs(text):
    with pytest.raises(SpecError, match=r"strings in quotes: --set '") as error:
        settings.assignment(f"data.source={text}")
    _, right = shlex.split(str(error.value).removesuffix(".").rpartition(": ")[2])
    assert settings.assignment(right) == {"data": {"source": text}}
    assert "(at line" not in str(error.value)


@pytest.mark.parametrize("text", ["[1, 2", '"a', "it's", "a, b", "a{b}", "{a = 1", "a]"])
def test_broken_toml_is_no_text(text):
    with pytest.raises(SpecError, match=r"values are written as in TOML, strings in quotes\.$"):
        settings.assignment(f"data.source={text}")
    with pytest.raises(SpecError, match=r"'a b=c': .*strings in quotes\.$"):
        settings.assignment("a b=c")


def test_the_last_set_wins_and_tables_merge():
    got = config.demo(sets=["bench.slm.bits=4", "bench.slm.fill_factor=0.9", "bench.slm.bits=6"])
    bench = got.bench.resolve()
    assert (bench.slm.bits, bench.slm.fill_factor) == (6, 0.9)
    assert bench.slm.shape == (1080, 1920)


def test_a_device_in_the_bench_table_replaces_the_bench_s_own():
    bench = config.demo(sets=["bench.slm.device=meadowlark-1920x1152"]).bench.resolve()
    assert bench.slm.shape == (1152, 1920)
    assert bench.slm.pitch == 9.2e-6


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "[student.training]\nepoch = 3\n",
            ["mine.toml:2", "'student.training.epoch'", "'epochs'", "batch_size"],
        ),
        (
            "seed = 1\n\n[student]\nchanels = [1]\n",
            ["mine.toml:4", "'student.chanels', did you mean 'channels'?"],
        ),
        ("[studnet]\nbins = [4, 4]\n", ["mine.toml:1", "'studnet'", "'student'"]),
        ("seed = -1\n", ["mine.toml:1", "seed", "-1"]),
        ("[student]\nreadout = 'eye'\n", ["mine.toml:2: student.readout.kind", "eye", "intensity"]),
        ("[teacher]\nname = 'lenet6'\n", ["mine.toml:1", "lenet6", "lenet5"]),
        ("[student]\nkernel_size = 4\n", ["mine.toml:1", "kernel_size", "odd"]),
        ("[student]\nchannels = [1]\n", ["mine.toml:1", "channels"]),
        ("[export]\ncount = 10\n", ["export.count", "10"]),
        ("seed = \n", ["mine.toml:1", "TOML"]),
    ],
)
def test_a_bad_file_is_one_line_with_file_line_key_and_what_is_known(tmp_path, text, parts):
    with pytest.raises(SpecError) as error:
        config.load(write(tmp_path, text))
    message = str(error.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("student.chanels=[1, 2]", ["--set student.chanels=[1, 2]", "did you mean 'channels'?"]),
        ("student.training.epochs=many", ["--set student.training.epochs=many", "integer"]),
        ("student.training.epochs", ["expected key=value"]),
        ("student.training.epochs=", ["expected key=value"]),
        ("student.bins=[1,", ["--set"]),
        ("bench.slm=8", ["--set bench.slm=8"]),
        # of what may be a number or a table, or a number or several: what is wrong with the one that was meant
        (
            "student.distillation.alpha={begin=0.9,end=0,over=2}",
            ["alpha.over = 2: expected less than or equal to 1."],
        ),
        ("student.distillation.alpha={begin=0.9,end=0,over=0}", ["alpha.over = 0: expected greater than 0."]),
        (
            'student.distillation.alpha={begin=1,end=0,shape="cubic"}',
            ["shape = 'cubic': expected 'linear' or 'cosine'."],
        ),
        (
            "student.distillation.alpha={begin=1}",
            ["--set student", "distillation.alpha] needs the key 'end'."],
        ),
        ("student.distillation.alpha={begin=1,end=0,ovr=1}", ["did you mean 'over'? Known keys"]),
        ("student.distillation.alpha=a", ["alpha = 'a': expected a valid number"]),
        ("student.distillation.hint={weight={end=1}}", ["hint.weight] needs the key 'begin'."]),
        ("student.cascade.kernel_size=[5, 0]", ["kernel_size.1 = 0: expected greater than or equal to 1."]),
        ("student.cascade.kernel_size=0", ["kernel_size = 0: expected greater than or equal to 1."]),
        ("student.cascade.parameterisation=[1, 'real']", ["parameterisation.0 = 1: expected 'real'"]),
        ("student.bins=3", ["bins = 3: expected 2 numbers"]),
    ],
)
def test_a_bad_set_names_itself(text, parts):
    with pytest.raises(SpecError) as error:
        config.demo(sets=[text])
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("bench.source=pluto", ["unknown bench 'pluto'", "pluto2-200mm"]),
        ("bench.slm.bitz=4", ["'slm.bitz'", "'bits'"]),
        ("bench.slm.device=holoeye-plutto-2", ["holoeye-plutto-2", "holoeye-pluto-2"]),
        ("bench.slm.pitch=-8e-6", ["slm.pitch"]),
        ("bench.camera.adc.bitz=4", ["'camera.adc.bitz'", "'bits'"]),
        ("bench.source=no/such/bench.toml", ["no/such/bench.toml"]),
    ],
)
def test_a_bad_bench_is_refused_when_it_is_resolved(text, parts):
    with pytest.raises(SpecError) as error:
        config.demo(sets=[text]).bench.resolve()
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("text", "sets", "start"),
    [
        ("seed = 1\n[bench.slm]\nbitz = 4\n", [], "mine.toml:3: unknown key 'slm.bitz'"),
        ("[bench.camera.adc]\nbits = 4\nblack_level = -1\n", [], "mine.toml:3: camera.adc.black_level"),
        ("[bench.slm]\nbits = 6\ndevice = 'holoeye-plutto-2'\n", [], "mine.toml:3: unknown slm"),
        ("[bench.slm]\nbits = 6\n", ["bench.slm.bits=40"], "--set bench.slm.bits=40: slm.bits"),
        ("[bench.slm]\nbits = 40\n", ["bench.slm.pitch=8e-6"], "mine.toml:2: slm.bits"),
        (
            "[bench]\nsource = 'own.toml'\n[bench.slm]\nbits = 6\n",
            [],
            "own.toml:2: unknown key 'light.wavelenth'",
        ),
        ("[student]\nbins = [3, 0]\n", [], "mine.toml:2: student.readout.bins"),
        ("[student.cascade]\nkernel_size = 1.5\n", [], "mine.toml:2: student.cascade.kernel_size = 1.5"),
        ("[student]\nmix = 3\nhead = 'segmenter'\n", [], "student.backend: mix belongs to classifier"),
        ("[student]\nbins = [3, 3]\n[student.readout]\nbins = [2, 2]\n", [], "both given; keep one"),
        (
            "[refit]\nalpha = 0.5\ndistillation = { alpha = 0.5 }\n",
            [],
            "refit.distillation.alpha are both given",
        ),
        ("[teacher.training]\ndistillation = { hint = {} }\n", [], "a teacher has no teacher"),
        (
            "[refit.distillation]\nhint = {}\n",
            [],
            "refit.distillation.hint needs the key student",
        ),
        ("[teacher.training]\nalpha = 0.3\n", [], "teacher.training.distillation.alpha says nothing"),
        (
            "[teacher.training]\ndistillation = { temperature = 4 }\n",
            [],
            "distillation.temperature says nothing",
        ),
        (
            "[student.distillation]\nalpha = 0.5\ntemperature = 0\n",
            [],
            "mine.toml:1: student.training.distillation",
        ),
        (
            "[student.distillation]\n\nalfa = 0.5\n",
            [],
            "mine.toml:3: unknown key 'student.training.distillation.alfa'",
        ),
    ],
)
def test_errors_name_the_line_or_the_assignment_that_said_it(tmp_path, text, sets, start):
    (tmp_path / "own.toml").write_text("[light]\nwavelenth = 5e-7\n")
    with pytest.raises(SpecError) as error:
        config.load(write(tmp_path, text), sets=sets)
    assert start in str(error.value)
    assert "\n" not in str(error.value)


def test_a_shipped_bench_may_be_named_with_its_ending_beside_other_keys():
    got = config.demo(sets=["bench.source=pluto2-200mm.toml", "bench.slm.bits=4"]).bench.resolve()
    assert got.slm.bits == 4


def test_a_bench_file_beside_the_configuration_is_found(tmp_path):
    from optics.bench.files import BENCHES

    (tmp_path / "own.toml").write_text((BENCHES / "pluto2-200mm.toml").read_text())
    got = config.load(write(tmp_path, "[bench]\nsource = 'own.toml'\n[bench.slm]\nbits = 5\n"))
    assert got.bench.resolve().slm.bits == 5
    assert Path(got.bench.source).is_absolute()


SHORT = {
    "distilation.alpha=0.5": "'student.distilation', did you mean 'distillation'? Known keys of [student]: distill",
    "chanels=[1, 2]": "'student.chanels', did you mean 'channels'? Known keys of [student]: channels, backend, ",
    "bin=[2, 2]": "'student.bin', did you mean 'bins'?",
    "readout.bin=[2, 2]": "'student.readout.bin', did you mean 'bins'? Known keys of [student.readout]: ",
    "trainin.epochs=2": "'student.trainin', did you mean 'training'?",
    "epochs=2": "'student.epochs', did you mean 'training.epochs'?",
    "nothing=1": "'student.nothing'. Known keys of [student]: backend, ",
}


@pytest.mark.parametrize("text", SHORT)
def test_a_short_key_is_suggested_and_listed_where_a_run_takes_it(text):
    with pytest.raises(SpecError) as error:
        config.demo(sets=[f"student.{text}"])
    said = str(error.value)
    assert f"unknown key {SHORT[text]}" in said and len(said) < 330
    if text == "nothing=1":
        assert "training, distillation, channels, kernel_size, " in said  # the table's own first


def test_python_has_no_short_keys_and_is_told_none():
    with pytest.raises(SpecError, match=r"did you mean 'cascade\.channels'\?"):
        StudentConfig(chanels=[1, 2])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SpecError, match=r"nothing\.toml"):
        config.load(tmp_path / "nothing.toml")


def test_dump_writes_every_kind_of_value():
    table = {
        "a": 1,
        "b": 1.5e-7,
        "c": "q\"'\\\n",
        "d": [True, [1, 2]],
        "f": [{"width": 8, "é\x7f": {}}, {"in": [{"a": "\x7f"}], "none": None}],
        "t": {"4": 0.5, "u": {"v": None, "w": "x"}},
        "e": {},
    }
    back = table_of(settings.dump(table))
    assert back == {
        "a": 1,
        "b": 1.5e-7,
        "c": "q\"'\\\n",
        "d": [True, [1, 2]],
        "f": [{"width": 8, "é\x7f": {}}, {"in": [{"a": "\x7f"}]}],
        "t": {"4": 0.5, "u": {"w": "x"}},
    }
    with pytest.raises(SpecError, match="None inside a list"):
        settings.dump({"a": [1, None]})


def test_an_absent_key_and_none_are_the_same_everywhere():
    """A file has no word for None: where it may be said in Python it is the default, or it would not come back."""
    seen: list[type[BaseModel]] = [RunConfig]
    for model in seen:
        for name, field in model.model_fields.items():
            parts = get_args(field.annotation)
            assert type(None) not in parts or field.get_default() is None, (model, name)
            inside = [
                p for p in (field.annotation, *parts) if isinstance(p, type) and issubclass(p, BaseModel)
            ]
            seen += [p for p in inside if p not in seen]
    assert NoiseAwareConfig in seen


_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=3)
_SAID = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.dates() | _TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(_TEXTS, inside, min_size=1, max_size=3),
    max_leaves=8,
)


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(options=st.dictionaries(_TEXTS, _SAID, max_size=3))
def test_any_options_that_a_file_can_say_come_back(options):
    one = RunConfig(teacher=TeacherConfig(module="net.py:Net", weights="w.pt", options=options))
    assert RunConfig(**table_of(one.to_toml())) == one


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_data_of_every_example_are_found_in_the_folder_of_the_data(tmp_path, monkeypatch, example):
    monkeypatch.setenv("SCLC_DATA", str(tmp_path))
    source = str(load(example).data.source)
    (tmp_path / source).mkdir()
    assert load(example).data.source == (source if source in names() else str(tmp_path / source))


@pytest.mark.parametrize("key", ["data.source", "data.unlabelled", "student.file", "teacher.file"])
def test_a_name_without_an_ending_is_looked_for_beside_the_configuration(tmp_path, monkeypatch, key):
    monkeypatch.setattr(config, "load_spec", lambda file: StudentSpec(image_shape=(28, 28), classes=10))
    (tmp_path / "mine").mkdir()
    table, _, name = key.rpartition(".")
    got = load(write(tmp_path, f'[{table}]\n{name} = "mine"\n')).model_dump()
    for part in key.split("."):
        got = got[part]
    assert got == str(tmp_path / "mine")


def test_what_comes_with_the_package_stays_whatever_lies_beside_the_configuration(tmp_path):
    for name in ("digits", "mnist", "pluto2-200mm"):
        (tmp_path / name).mkdir()
    got = load(write(tmp_path, "[data]\nunlabelled = 'mnist'\n[bench]\nsource = 'pluto2-200mm'\n"))
    assert (got.data.source, got.data.unlabelled, got.bench.source) == ("digits", "mnist", "pluto2-200mm")


def test_typed_files_are_absolute_and_meant_from_where_they_are_typed(tmp_path, monkeypatch):
    (tmp_path / "beside").mkdir()
    (tmp_path / "here").mkdir()
    run = tmp_path / "beside" / "run.toml"
    run.write_text('[bench.slm.response]\nfile = "phase.csv"\nunit = "turns"\n')
    for folder, range_ in (("beside", 1.1), ("here", 1.2)):
        table = "\n".join(str(range_ * k / 256) for k in range(256))
        (tmp_path / folder / "phase.csv").write_text(table)
        (tmp_path / folder / "maker.lut").write_text("0 0\n")
    monkeypatch.chdir(tmp_path / "here")
    written, typed = (
        load(run),
        load(run, sets=["bench.slm.response.file=phase.csv", "bench.slm.driver_table=maker.lut"]),
    )
    assert written.bench.slm["response"]["file"] == str(tmp_path / "beside" / "phase.csv")
    assert typed.bench.slm["response"] == {"file": str(tmp_path / "here" / "phase.csv"), "unit": "turns"}
    assert typed.bench.slm["driver_table"] == str(tmp_path / "here" / "maker.lut")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "again.toml").write_text(typed.to_toml())
    again = load(tmp_path / "again.toml")
    assert again.bench.resolve().slm.response.lut[-1] == pytest.approx(1.2 * 2 * math.pi * 255 / 256)
