"""Who teaches the back end on the bench: the teacher, or the network as it is computed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from distill.pipeline import single_steps, steps
from distill.training.teaching import logits
from optics.errors import SpecError

OWN = ("refit.taught_by=network", "refit.distillation.alpha=1", "refit.distillation.temperature=1")


def job_of(run, *sets):
    return single_steps.open_network(run, sets=["refit.epochs=3", "refit.learning_rate=1e-2", *sets])


def wrongly_labelled(job):
    """The same job, whose training images carry each other's labels."""
    train = job.splits.train
    return replace(
        job, splits=replace(job.splits, train=replace(train, labels=(train.labels + 1) % train.classes))
    )


def agreement(job, on_bench):
    """Share of test images that a refitted network answers as the network that was computed."""
    images = job.splits.test.images[:200]
    with torch.no_grad():
        found = on_bench(images, generator=torch.Generator().manual_seed(0)).argmax(1)
    return float((found == logits(job.student("linear_kd"), images).argmax(1)).float().mean())


def test_the_networks_own_answers_need_no_labels(fast_run):
    found = {}
    for sets in (OWN, ("refit.distillation.alpha=0",)):
        job = wrongly_labelled(job_of(fast_run, *sets))
        ideal = job.on_bench(job.student("linear_kd"), job.bench.ideal(), calibrated=False)
        found[sets] = agreement(job, steps.refit(job, ideal))
    assert found[OWN] > 0.95
    assert found["refit.distillation.alpha=0",] < 0.8  # those taught by wrong labels follow these


def test_the_tutor_is_the_one_that_is_named(fast_run):
    network, teacher = job_of(fast_run, *OWN), job_of(fast_run)
    images = network.splits.test.images[:20]
    assert torch.equal(logits(network.tutor(), images), logits(network.student("linear_kd"), images))
    assert torch.equal(logits(teacher.tutor(), images), logits(teacher.teacher(), images))
    alone = job_of(fast_run / "linear_kd" / "model.safetensors")
    assert alone.tutor() is None
    with pytest.raises(SpecError, match="taught_by"):
        job_of(fast_run, "refit.taught_by=me")
