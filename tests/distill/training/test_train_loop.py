"""Training: what it learns, what it keeps, and that a killed run goes on as if nothing had happened."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from distill.data.augmentation import AugmentSpec, augment
from distill.data.dataset import VOID, Dataset
from distill.training.checkpoint import load_config, load_student, load_teacher, save_model
from distill.training.history import Epoch, History
from distill.training.spec import TrainSpec
from distill.training.teaching import Guide, logits
from distill.training.train_loop import CHECKPOINT, METRICS, fit, train
from networks import Student, create_teacher
from networks.seeded import drawn
from optics.checks import OpticsError
from tests.scenes import generator

ROOT = Path(__file__).resolve().parents[3]


def blobs(n: int = 90, seed: int = 0) -> Dataset:
    """Three classes: a bright corner, another corner, a bar; with noise."""
    g = generator(seed)
    labels = torch.arange(n) % 3
    images = 0.3 * torch.rand(n, 1, 10, 10, generator=g)
    images[labels == 0, :, :4, :4] += 0.6
    images[labels == 1, :, 6:, 6:] += 0.6
    images[labels == 2, :, 4:6, :] += 0.6
    return Dataset(images, labels, ("corner", "other corner", "bar"), "made here")


def small(seed: int = 0) -> Student:
    return Student.build((1, 2, 3), image_shape=(10, 10), classes=3, bins=(2, 2), generator=generator(seed))


def weights(model: nn.Module) -> list[torch.Tensor]:
    return list(model.state_dict().values())


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def a_teacher(seed: int = 9) -> nn.Module:
    return drawn(lambda: nn.Sequential(nn.Flatten(), nn.Linear(100, 3)), generator(seed))


SPEC = TrainSpec(epochs=6, batch_size=16, learning_rate=1e-2, seed=3)


def test_learns_and_records(tmp_path):
    model, seen = small(), []
    history = train(
        model, blobs(), blobs(30, 1), SPEC, directory=tmp_path, progress=lambda *event: seen.append(event)
    )
    assert history.best.validation_accuracy > 0.9
    assert not model.training
    out = logits(model, blobs(30, 1).images)
    accuracy = float((out.argmax(1) == blobs(30, 1).labels).double().mean())
    assert accuracy == history.best.validation_accuracy
    with (tmp_path / METRICS).open() as file:
        rows = list(csv.DictReader(file))
    assert [int(r["epoch"]) for r in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[2]["validation_accuracy"]) == history.epochs[2].validation_accuracy
    assert [p.name for p in tmp_path.glob(".*")] == []
    done, total, note = seen[-1]
    assert done == total == 6 * 6
    assert "validation" in note
    assert [d for d, _, _ in seen[:3]] == [1, 2, 3]


def test_keeps_the_weights_of_the_chosen_epoch(tmp_path):
    short = SPEC.replace(schedule="constant", warmup=0.0, epochs=8, learning_rate=0.3)
    model = small()
    wild = train(model, blobs(), blobs(30, 1), short, directory=tmp_path)
    assert wild.images == 30
    out = logits(model, blobs(30, 1).images)
    accuracy = float((out.argmax(1) == blobs(30, 1).labels).double().mean())
    assert accuracy == wild.best.validation_accuracy
    assert wild.seconds > 0


def test_chosen_epoch_is_the_latest_within_one_standard_error():
    def history(accuracies, images):
        return History(tuple(Epoch(i, 0, 0, 0, a, 0, 0) for i, a in enumerate(accuracies, 1)), images)

    accuracies = (0.5, 0.90, 0.88, 0.892, 0.87)
    assert history(accuracies, 10000).best.epoch == 2  # standard error 0.003: the highest stands alone
    assert history(accuracies, 900).best.epoch == 4  # 0.01
    assert history(accuracies, 100).best.epoch == 5  # 0.03
    assert history((1.0, 0.9, 1.0, 0.99), 10).best.epoch == 3


def test_two_runs_are_equal_and_the_seed_matters(tmp_path):
    models = [small() for _ in range(3)]
    before = torch.get_rng_state()
    for i, (model, seed) in enumerate(zip(models, (3, 3, 4), strict=True)):
        train(model, blobs(), blobs(30, 1), SPEC.replace(seed=seed), directory=tmp_path / str(i))
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert torch.equal(before, torch.get_rng_state())


def test_frozen_optics_stay_as_they_are(tmp_path):
    model = Student.random_masks(
        (1, 2, 3), image_shape=(10, 10), classes=3, bins=(2, 2), generator=generator()
    )
    before = model.cascade.kernels().clone()
    train(model, blobs(), blobs(30, 1), SPEC, directory=tmp_path)
    assert torch.equal(before, model.cascade.kernels())


def test_teacher_module_and_its_logits_teach_the_same(tmp_path):
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(5))
    pad = nn.ZeroPad2d(1)
    data, held = (d.with_images(pad(d.images)) for d in (blobs(), blobs(30, 1)))
    teacher.train()  # training must not depend on the mode that the teacher came in
    first, second, plain = (
        Student.build((1, 2, 3), image_shape=(12, 12), classes=3, bins=(2, 2), generator=generator())
        for _ in range(3)
    )
    train(first, data, held, SPEC, directory=tmp_path / "a", teacher=teacher)
    train(second, data, held, SPEC, directory=tmp_path / "b", teacher=logits(teacher, data.images))
    train(plain, data, held, SPEC, directory=tmp_path / "c")
    assert same(first, second)
    assert not same(first, plain)
    third = Student.build((1, 2, 3), image_shape=(12, 12), classes=3, bins=(2, 2), generator=generator())
    train(
        third,
        data,
        held,
        SPEC.replace(**{"distillation.alpha": 0.0}),
        directory=tmp_path / "d",
        teacher=teacher,
    )
    assert same(third, plain)
    moving = SPEC.replace(**{"augmentation.shift": 1.0})
    with pytest.raises(OpticsError, match="need a teacher module"):
        train(first, data, held, moving, directory=tmp_path / "e", teacher=logits(teacher, data.images))


def test_teacher_labels_the_moved_images(tmp_path):
    seen: list[torch.Tensor] = []

    class Watching(nn.Module):
        def forward(self, x):
            seen.append(x)
            return x.mean((1, 2, 3))[:, None].expand(-1, 3)

    spec = SPEC.replace(epochs=1, **{"augmentation.shift": 2.0})
    train(small(), blobs(), blobs(30, 1), spec, directory=tmp_path, teacher=Watching())
    originals = {x.numpy().tobytes() for x in blobs().images}
    assert sum(len(x) for x in seen) == 90
    assert not any(x.numpy().tobytes() in originals for x in torch.cat(seen))


class Noisy(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = small()
        self.drawn = 0

    def forward(self, x, generator=None):
        if generator is not None:
            self.drawn += 1
            x = x + 0.1 * torch.randn(x.shape, generator=generator)
        return self.inner(x)


def test_noise_is_drawn_from_the_runs_seed(tmp_path):
    first, second = Noisy(), Noisy()
    train(first, blobs(), blobs(30, 1), SPEC, directory=tmp_path / "a")
    train(second, blobs(), blobs(30, 1), SPEC, directory=tmp_path / "b")
    assert first.drawn == 36  # every step, never while validating
    assert same(first, second)
    clean = logits(first, blobs(30, 1).images)
    assert torch.equal(clean, logits(first, blobs(30, 1).images))
    noisy = logits(first, blobs(30, 1).images, generator=generator())
    assert not torch.equal(clean, noisy)


def test_rows_see_the_same_images_with_noise_and_with_directions_or_without():
    """What distillation gains is told image by image, of trainings that see the same order and the same moves."""
    data = (blobs().images, blobs().labels)
    spec = SPEC.replace(epochs=2, **{"augmentation.shift": 1.0})
    tangent = spec.replace(**{"distillation.tangent": {"images": 4, "directions": 2}})
    orders = []
    for model, told in ((small(), spec), (Noisy(), spec), (small(), tangent), (Noisy(), tangent)):
        seen: list[torch.Tensor] = []
        model.register_forward_pre_hook(lambda m, x, s=seen: s.append(x[0].clone()) if m.training else None)
        fit(model, data, data, told, directory=None, teacher=a_teacher())
        orders.append(torch.cat(seen))
    assert len(orders[0]) == 2 * 90
    assert all(torch.equal(order, orders[0]) for order in orders[1:])


def test_augmentation_moves_up_right_and_turns():
    image = torch.zeros(1, 1, 9, 11)
    image[0, 0, 2, 7] = 1.0
    spec = AugmentSpec(shift=3.0)
    for seed in range(20):
        moved, _ = augment(image, spec, generator(seed))
        draws = 2 * torch.rand(1, 4, generator=generator(seed)) - 1
        total = float(moved.sum())
        y = float((moved[0, 0].sum(1) * torch.arange(9)).sum()) / total
        x = float((moved[0, 0].sum(0) * torch.arange(11)).sum()) / total
        wanted = (2 - 3 * float(draws[0, 3]), 7 - 3 * float(draws[0, 2]))
        if all(1 < w < n - 2 for w, n in zip(wanted, (9, 11), strict=True)):
            assert (y, x) == pytest.approx(wanted, abs=1e-4)
    many = image.expand(400, 1, 9, 11)
    turned, _ = augment(many, AugmentSpec(rotation=0.5), generator())
    rows, columns = torch.arange(9) - 4.0, torch.arange(11) - 5.0
    mass = turned.sum((1, 2, 3))
    y = (turned[:, 0].sum(2) * rows).sum(1) / mass
    x = (turned[:, 0].sum(1) * columns).sum(1) / mass
    angles = torch.atan2(y, x)
    before = torch.atan2(torch.tensor(-2.0), torch.tensor(2.0))
    torch.testing.assert_close(torch.hypot(y, x), torch.full((400,), 8**0.5), rtol=0.05, atol=0.0)
    assert float((angles - before).abs().max()) == pytest.approx(0.5, abs=0.06)
    assert float((angles - before).mean()) == pytest.approx(0.0, abs=0.06)


def test_masks_move_with_their_images():
    labels = torch.zeros(8, 9, 11, dtype=torch.int64)
    labels[:, 3:6, 4:8] = 2
    images = (labels == 2).float()[:, None]
    moved, moved_labels = augment(images, AugmentSpec(shift=2.0, rotation=0.3), generator(), labels=labels)
    assert moved_labels is not None
    assert set(moved_labels.unique().tolist()) == {VOID, 0, 2}  # what comes in from outside is void
    assert not torch.equal(moved_labels, labels)
    agree = ((moved[:, 0] > 0.5) == (moved_labels == 2)).double().mean()
    assert float(agree) > 0.95


def test_per_pixel_models_are_trained(tmp_path):
    class Threshold(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return torch.cat((x * self.scale[0], x * 0 + self.scale[1]), 1)

    images = torch.rand(20, 1, 6, 6, generator=generator())
    data = Dataset(images, (images[:, 0] < 0.5).long(), ("bright", "dark"), "made here")
    history = train(Threshold(), data, data, SPEC.replace(epochs=60, learning_rate=0.3), directory=tmp_path)
    assert history.best.validation_accuracy > 0.95


# ---------------------------------------------------------------- stopping and going on

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path[:0] = [{root!r}, {here!r}]
from test_train_loop import blobs, create_teacher, generator, nn, train, TrainSpec
torch.set_num_threads(1)
spec = TrainSpec(epochs=6, batch_size=8, learning_rate=5e-3, seed=3,
                 augmentation={{"shift": 1.0, "rotation": 0.2}})
pad = nn.ZeroPad2d(1)
data, held = (d.with_images(pad(d.images)) for d in (blobs(200), blobs(30, 1)))
teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator(9))
for directory in map(Path, sys.argv[1:]):
    model = create_teacher("lenet5", 1, 3, (12, 12), generator=generator())  # has dropout: its draws must resume too
    train(model, data, held, spec, directory=directory, teacher=teacher)
    torch.save(model.state_dict(), directory / "final.pt")
"""


def start(*directories: Path) -> subprocess.Popen[bytes]:
    code = SCRIPT.format(root=str(ROOT), here=str(Path(__file__).parent))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, directories)], env=environment)


def lines(directory: Path) -> list[list[str]]:
    """Rows of the metrics file without its last column, the seconds."""
    path = directory / METRICS
    text = path.read_text() if path.is_file() else ""
    return [row[:-1] for row in csv.reader(text.splitlines())]


def test_a_killed_run_ends_with_the_same_weights_bit_for_bit(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    process = start(broken)
    limit = time.monotonic() + 120
    while len(lines(broken)) < 3:
        assert time.monotonic() < limit, "no epoch was finished in time"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (broken / "final.pt").exists()
    assert 2 <= len(lines(broken)) - 1 < 6
    assert start(broken, whole).wait(240) == 0
    first, second = (torch.load(d / "final.pt", weights_only=True) for d in (whole, broken))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert lines(whole) == lines(broken)


def test_resumed_in_the_same_process_and_refused_where_it_does_not_belong(tmp_path):
    whole, part = small(), small()
    train(whole, blobs(), blobs(30, 1), SPEC, directory=tmp_path / "whole")
    stop_after = 20

    class Stop(Exception):
        pass

    def stopping(done, _total, _note):
        if done == stop_after:
            raise Stop

    with pytest.raises(Stop):
        train(part, blobs(), blobs(30, 1), SPEC, directory=tmp_path / "part", progress=stopping)
    resumed, calls = small(), []
    train(
        resumed,
        blobs(),
        blobs(30, 1),
        SPEC,
        directory=tmp_path / "part",
        progress=lambda done, *_: calls.append(done),
    )
    assert same(whole, resumed)
    assert calls[0] == 19  # three epochs of six steps were done
    finished = small()
    train(finished, blobs(), blobs(30, 1), SPEC, directory=tmp_path / "part")
    assert same(whole, finished)
    for model, data, spec in (
        (small(), blobs(), SPEC.replace(learning_rate=2e-2)),
        (small(), blobs(90, 7), SPEC),
        (small(8), blobs(), SPEC),
    ):
        with pytest.raises(OpticsError, match="another directory, or begin anew"):
            train(model, data, blobs(30, 1), spec, directory=tmp_path / "part")
    train(small(8), blobs(), blobs(30, 1), SPEC, directory=tmp_path / "part", resume=False)


@pytest.mark.parametrize("kind", ["module", "logits", "guide"])
def test_a_checkpoint_belongs_to_its_teacher(tmp_path, kind):
    def by(seed):
        teacher = a_teacher(seed)
        ways = {"module": lambda: teacher, "logits": lambda: logits(teacher, blobs().images)}
        ways["guide"] = lambda: Guide(teacher, blobs().images, moving=False)
        return ways[kind]()

    def go(directory, teacher):
        model = small()
        train(model, blobs(), blobs(30, 1), SPEC, directory=tmp_path / directory, teacher=teacher)
        return model

    taught, alone = go("taught", by(9)), go("alone", None)
    assert same(taught, go("taught", by(9))) and same(alone, go("alone", None))
    for directory, teacher in (("taught", by(4)), ("taught", None), ("alone", by(9))):
        with pytest.raises(
            OpticsError, match="a run with another teacher; use another directory, or begin anew"
        ):
            go(directory, teacher)


def test_a_damaged_checkpoint_is_told(tmp_path):
    train(small(), blobs(), blobs(30, 1), SPEC.replace(epochs=1), directory=tmp_path)
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(OpticsError, match=r"checkpoint\.pt cannot be read .*delete it"):
        train(small(), blobs(), blobs(30, 1), SPEC.replace(epochs=1), directory=tmp_path)


def test_a_diverging_run_says_so():
    data = blobs()
    wild = SPEC.replace(learning_rate=1e30, warmup=0.0, epochs=20, optimiser="adam")
    with pytest.raises(OpticsError, match="use a smaller learning_rate than 1e"):
        fit(small(), (data.images, data.labels), (data.images, data.labels), wild, directory=None)


def test_last_batch_is_never_a_single_image():
    data = blobs(33)
    fit(small(), (data.images, data.labels), (data.images, data.labels), SPEC, directory=None)
    with pytest.raises(OpticsError, match="at least 2"):
        one = (data.images[:1], data.labels[:1])
        fit(small(), one, one, SPEC, directory=None)


# ---------------------------------------------------------------- model files


@pytest.mark.parametrize("builder", ["build", "random_masks", "no_mask"])
def test_students_come_back_from_their_files(tmp_path, builder):
    config = {
        "kind": "student",
        "builder": builder,
        "channels": [1, 2, 3],
        "image_shape": [10, 10],
        "classes": 3,
        "bins": [2, 2],
    }
    student = getattr(Student, builder)(
        (1, 2, 3), image_shape=(10, 10), classes=3, bins=(2, 2), generator=generator()
    )
    train(student, blobs(), blobs(30, 1), SPEC.replace(epochs=1), directory=tmp_path)
    save_model(tmp_path / "model.safetensors", student, config)
    back = load_student(tmp_path / "model.safetensors")
    x = blobs(30, 1).images
    assert torch.equal(back(x), student(x))
    assert load_config(tmp_path / "model.safetensors") == config
    optics = [p.requires_grad for p in back.cascade.parameters()]
    assert all(optics) if builder == "build" else not any(optics)
    with pytest.raises(OpticsError, match="holds a student, expected a teacher"):
        load_teacher(tmp_path / "model.safetensors")


def test_teachers_come_back_and_damage_is_told(tmp_path):
    teacher = create_teacher("lenet5", 1, 3, (12, 12), generator=generator()).eval()
    config = {"kind": "teacher", "name": "lenet5", "in_channels": 1, "classes": 3, "image_size": [12, 12]}
    path = tmp_path / "teacher.safetensors"
    save_model(path, teacher, config)
    x = torch.rand(4, 1, 12, 12, generator=generator())
    assert torch.equal(load_teacher(path)(x), teacher(x))
    with pytest.raises(OpticsError, match="expected a student"):
        load_student(path)
    save_model(path, teacher, {**config, "classes": 4})
    with pytest.raises(OpticsError, match="do not fit"):
        load_teacher(path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(OpticsError, match="truncated or not a safetensors file"):
        load_teacher(path)
    with pytest.raises(OpticsError, match="there is no model file"):
        load_teacher(tmp_path / "nowhere.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": 5}, r"tells 5 classes apart and the images have 3; build it with classes=3"),
        ({"image_shape": (9, 10)}, r"images of \(9, 10\) pixels and these have \(10, 10\)"),
    ],
)
def test_a_student_for_other_images_or_classes_is_refused_before_anything_is_written(
    tmp_path, options, message
):
    shape = {"image_shape": (10, 10), "classes": 3, "bins": None} | options
    student = Student.build((1, 2), generator=generator(), **shape)
    with pytest.raises(OpticsError, match=message):
        train(student, blobs(), blobs(seed=1), TrainSpec(epochs=1), directory=tmp_path / "out")
    assert not (tmp_path / "out").exists()
