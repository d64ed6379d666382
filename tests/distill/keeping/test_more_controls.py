"""Controls that a kept run is given: those that the run itself would have had, and what is refused before training."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from distill.cli.main import main
from distill.job import config
from distill.job.about import about
from distill.job.result import Result
from distill.job.rows import title_of
from distill.keeping.kept_run import KeptRun, keep, read_kept
from distill.keeping.more_controls import add_controls
from distill.keeping.table import results
from distill.pipeline import main_job
from optics.errors import FileError, OpticsError
from optics.files import write_json
from optics.reading import sha256_of

CONTROLS = ("random_masks", "no_mask", "raw_image", "shuffled")


def settings(controls: tuple[str, ...]) -> config.RunConfig:
    """The fast demo with one training of each row, its controls on the labels alone, no files and no study."""
    return config.demo(fast=True).replace(
        **{
            "student.repeats": 1,
            "student.controls": controls,
            "student.distilled_controls": False,
            "export.count": 0,
            "flaws.images": 0,
        }
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, Path]:
    """The same run kept without its controls, and with all of them."""
    folder = tmp_path_factory.mktemp("whole")
    for name, controls in (("without", ()), ("with", CONTROLS)):
        main_job.run(settings(controls), folder / "run")
        keep(folder / "run", folder / name)
    (without,), (of_all,) = ((folder / name).glob("*-seed0") for name in ("without", "with"))
    return without, of_all


@pytest.fixture
def kept(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole[0], tmp_path / whole[0].name))


def epochs(place: Path) -> dict[str, list[dict[str, str]]]:
    """Of each training, without the seconds."""
    found: dict[str, list[dict[str, str]]] = {}
    with (place / "history.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            row.pop("seconds")
            found.setdefault(row.pop("network"), []).append(row)
    return found


def test_they_are_those_that_the_run_would_have_had(whole, kept, tmp_path):
    """Rows, operations, parameters, every epoch; although neither its directory nor its teacher is there."""
    before = Result.read(kept / "result.json")
    seen: list[tuple[str, int]] = []
    add_controls(kept, CONTROLS[:3], tmp_path / "work", on_epoch=lambda step, e: seen.append((step, e.epoch)))
    now = add_controls(kept, CONTROLS[3:], tmp_path / "work")
    assert now == read_kept(kept)
    found, wanted = Result.read(kept / "result.json"), Result.read(whole[1] / "result.json")
    assert found.rows == wanted.rows != before.rows
    assert found.operations == wanted.operations
    assert found.config == wanted.config
    assert now.parameters == read_kept(whole[1]).parameters
    assert epochs(kept) == epochs(whole[1])
    assert set(found.added) == set(CONTROLS) and set(found.seconds) >= set(CONTROLS)
    assert (found.environment, found.verdict, found.light) == (
        before.environment,
        before.verdict,
        before.light,
    )
    assert (kept / "network.safetensors").read_bytes() == (whole[0] / "network.safetensors").read_bytes()
    assert (kept / "rows.png").read_bytes() != (whole[0] / "rows.png").read_bytes()
    assert [step for step, _ in seen[:: len(seen) // 3]][:3] == list(CONTROLS[:3])
    (line,) = results(folder=kept.parent).lines
    assert set(CONTROLS) <= set(line.on_labels)
    told = about(kept)
    of_labels = {name for name, value in told.items() if str(value).endswith("(labels)")}
    assert of_labels == {title_of(name) for name in CONTROLS}
    drawn = Result.read(kept / "result.json").titles()
    assert {name for name, words in drawn.items() if words.endswith(" (labels)")} == set(CONTROLS)


def test_what_was_trained_is_not_trained_again(kept, tmp_path, monkeypatch):
    first: list[str] = []
    with pytest.raises(ZeroDivisionError):
        add_controls(
            kept, ["raw_image"], tmp_path / "work", on_epoch=lambda step, epoch: first.append(step) or 1 / 0
        )
    assert first == ["raw_image"] and "raw_image" not in read_kept(kept).parameters
    rest: list[int] = []
    add_controls(
        kept, ["raw_image"], tmp_path / "work", on_epoch=lambda step, epoch: rest.append(epoch.epoch)
    )
    assert rest and rest[0] == 2 and "raw_image" in read_kept(kept).parameters


def edited(place: Path, change) -> None:
    """Change a kept run's result as its manifest knows it."""
    data = json.loads((place / "result.json").read_text())
    change(data)
    (place / "result.json").write_text(json.dumps(data))
    manifest = read_kept_unchecked(place)
    write_json(
        place / "kept.json",
        manifest.replace(files=manifest.files | {"result.json": sha256_of(place / "result.json")}).model_dump(
            mode="json"
        ),
    )


def read_kept_unchecked(place: Path) -> KeptRun:
    return KeptRun.model_validate(json.loads((place / "kept.json").read_text()))


def of_other_images(data) -> None:
    data["data"]["digest"] = "0" * 64


def with_repeats(data) -> None:
    data["config"]["student"]["repeats"] = 3


def of_a_given_network(data) -> None:
    data["config"]["student"]["file"] = "mine.safetensors"


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (None, [], "name at least one control: random_masks, no_mask, raw_image, shuffled."),
        (None, ["lens"], "no control is called 'lens'"),
        (of_other_images, ["raw_image"], "does not hold the images of"),
        (with_repeats, ["shuffled"], "has 3 repeats and keeps the network of the first"),
        (of_a_given_network, ["raw_image"], "is of a network that was given"),
    ],
)
def test_what_cannot_be_had_is_told_before_training(kept, tmp_path, change, names, words):
    if change is not None:
        edited(kept, change)
    before = {p.name: p.read_bytes() for p in kept.iterdir()}
    with pytest.raises(OpticsError) as refused:
        add_controls(kept, names, tmp_path / "work")
    assert words in str(refused.value) and "\n" not in str(refused.value) and len(str(refused.value)) < 300
    assert {p.name: p.read_bytes() for p in kept.iterdir()} == before
    assert not (tmp_path / "work").exists()


def test_a_folder_that_may_not_be_written_is_told_before_training(kept, tmp_path, monkeypatch):
    def refused(*_, dir, **__):
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr("distill.keeping.more_controls.tempfile.TemporaryFile", refused)
    with pytest.raises(FileError, match="cannot be written"):
        add_controls(kept, ["raw_image"], tmp_path / "work", on_epoch=lambda step, epoch: pytest.fail(step))


@pytest.mark.parametrize("where", [".", "deeper"])
def test_trainings_never_stand_among_what_is_kept(kept, where):
    before = sorted(kept.parent.rglob("*"))
    with pytest.raises(OpticsError, match="give another folder for the trainings"):
        add_controls(kept, ["raw_image"], kept / where)
    assert sorted(kept.parent.rglob("*")) == before


def test_what_others_put_beside_it_stays_and_a_run_of_its_name_is_left_alone(kept, tmp_path):
    """Images beside the configuration, folders; a directory of the run itself under -o; a link to what is kept."""
    (kept / "images.h5").write_bytes(b"pictures")
    (kept / "figures").mkdir()
    (kept / "figures" / "a.txt").write_text("mine")
    run = tmp_path / "work" / kept.name / "linear_kd"
    run.mkdir(parents=True)
    (run / "model.safetensors").write_bytes(b"another network")
    link = tmp_path / "link"
    link.symlink_to(kept)
    add_controls(link, "shuffled", tmp_path / "work")
    assert link.is_symlink() and "shuffled" in read_kept(kept).parameters
    assert (kept / "images.h5").read_bytes() == b"pictures" and (
        kept / "figures" / "a.txt"
    ).read_text() == "mine"
    assert (
        set(read_kept(kept).files) == set(read_kept_unchecked(kept).files)
        and "images.h5" not in read_kept(kept).files
    )
    assert (run / "model.safetensors").read_bytes() == b"another network"


def test_beside_distilled_controls_they_are_marked_as_of_the_labels(whole, tmp_path):
    """Trained as without them, while the others stay what they are."""
    place = Path(shutil.copytree(whole[1], tmp_path / whole[1].name))
    wanted = Result.read(place / "result.json").rows.no_mask

    def distilled(data) -> None:
        student = data["config"]["student"]
        student |= {"distilled_controls": True, "controls": [c for c in CONTROLS if c != "no_mask"]}
        for table in ("rows", "operations"):
            del data[table]["no_mask"]

    about_it = json.loads((place / "kept.json").read_text())
    del about_it["parameters"]["no_mask"]
    write_json(place / "kept.json", about_it)
    edited(place, distilled)
    add_controls(place, ["no_mask"], tmp_path / "work")
    result = Result.read(place / "result.json")
    assert result.rows.no_mask == wanted
    assert set(result.config["student"]["controls"]) == set(CONTROLS)
    assert result.config["student"]["distilled_controls"] is True
    (line,) = results(folder=place.parent).lines
    assert line.on_labels == ("no_mask",)
    assert [name for name, title in result.titles().items() if "(labels)" in title] == ["no_mask"]


def test_controls_that_are_trained_side_by_side_are_all_kept(kept, tmp_path):
    def beside(step: str, epoch) -> None:
        if epoch.epoch == 2:
            add_controls(kept, ["no_mask"], tmp_path / "other")

    add_controls(kept, ["raw_image"], tmp_path / "work", on_epoch=beside)
    result = Result.read(kept / "result.json")
    assert set(result.added) == {"raw_image", "no_mask"} == set(result.config["student"]["controls"])
    assert {"raw_image", "no_mask"} <= set(epochs(kept)) and result.added["no_mask"].machine[
        "device"
    ] == "cpu"


def test_another_run_of_the_same_name_is_trained_for_itself(kept, tmp_path):
    other = Path(shutil.copytree(kept, tmp_path / "elsewhere" / kept.name))
    edited(other, lambda data: data["config"]["bench"].update(camera={"read_noise": 3.0}))
    for place in (kept, other):
        add_controls(place, ["raw_image"], tmp_path / "work")
    assert len(list((tmp_path / "work").iterdir())) == 2


def test_a_kept_run_is_named_from_within_and_a_control_twice(kept, tmp_path, monkeypatch):
    monkeypatch.chdir(kept)
    seen: list[int] = []
    add_controls(
        ".", ["raw_image", "raw_image"], tmp_path / "work", on_epoch=lambda step, e: seen.append(e.epoch)
    )
    assert seen == list(range(1, len(seen) + 1)) == [int(row["epoch"]) for row in epochs(kept)["raw_image"]]
    assert "raw_image" in read_kept(kept).parameters


def test_the_command_tells_the_rows_beside_the_labels_and_goes_on(whole, kept, tmp_path, capsys):
    command = ["controls", str(kept), "no_mask", "--output", str(tmp_path / "work")]
    assert main(command) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out] == ["linear optics, trained on the labels", "control"]
    before = (kept / "history.csv").read_bytes()
    command.insert(3, "raw_image")  # as after an interruption: the first is there already
    assert main(command) == 0
    assert (kept / "history.csv").read_bytes().startswith(before)
    assert main(["controls", str(whole[1]), "no_mask", "--output", str(tmp_path / "work")]) == 2
    assert "has the control no_mask already" in capsys.readouterr().err
    assert main(["controls", str(tmp_path / "nowhere"), "no_mask"]) == 2
    assert "holds no kept run" in capsys.readouterr().err


def test_a_network_too_large_to_keep_has_no_kernels_to_shuffle(kept, tmp_path):
    manifest = read_kept_unchecked(kept)
    files = {name: digest for name, digest in manifest.files.items() if name != "network.safetensors"}
    write_json(kept / "kept.json", manifest.replace(files=files).model_dump(mode="json"))
    with pytest.raises(OpticsError, match="whose kernels the control shuffled would have"):
        add_controls(kept, ["shuffled"], tmp_path / "work")
