"""What a study is about is read back as it was written: classes, and classes of pixels with what the teacher says."""

from __future__ import annotations

import pytest
import torch

from distill.studies.work import Answers, Subject
from networks import Student
from optics.errors import OpticsError


@pytest.mark.parametrize("head", ["classifier", "segmenter"])
def test_a_subject_is_read_back_and_a_teacher_of_another_shape_refused(head, tmp_path):
    generator = torch.Generator().manual_seed(0)
    student = Student.build(
        (1, 2), image_shape=(8, 6), bins=(4, 3), classes=3, head=head, generator=generator
    ).eval()
    pixels = (8, 6) if head == "segmenter" else ()
    images = torch.rand(4, 1, 8, 6, generator=generator)
    labels = torch.randint(3, (4, *pixels), generator=generator)
    part = Answers(images, labels, torch.randn(4, 3, *pixels, generator=generator))
    Subject(student, part, part, part).write(tmp_path / "s")
    found = Subject.read(tmp_path / "s")
    assert torch.equal(found.train.taught, part.taught)
    assert torch.equal(found.train.labels, labels)
    Subject(student, part, Answers(images, labels, torch.zeros(4, 2, *pixels)), part).write(tmp_path / "t")
    with pytest.raises(OpticsError, match="what the teacher says"):
        Subject.read(tmp_path / "t")
