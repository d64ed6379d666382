"""What the two engines found, and whether that is a proof: limits, the verdict by them, likely causes of a failure.

Every engine is judged, on its answers and on its camera counts, with the numbers as they are and not as they are shown.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from optics.spec import Validated

_DIM = 0.02  # share of the signal from which the converter's rounding is worth a word


Answers = Literal["classes", "pixels", "embeddings", "counts"]
_SAID: dict[Answers, str] = {
    "classes": "of the answers are the network's",
    "pixels": "of the pixels' answers are the network's",
    "embeddings": "of the embeddings lie nearest to the network's own",
    "counts": "",
}


AGREE: dict[Answers, str] = {
    "classes": "agree with the trained network",
    "pixels": "of the pixels agree with the trained network",
    "embeddings": "lie nearest to the trained network's embedding",
    "counts": "",
}


class Limits(Validated):
    """What passes. agreement: least share of predictions of each engine that must be the trained network's.

    wave_counts_error, lightpipes_counts_error: largest relative difference of the camera counts from the expected ones.
    """

    agreement: float = Field(default=0.98, ge=0.0, le=1.0)
    wave_counts_error: float = Field(default=0.002, gt=0.0, le=1.0)
    lightpipes_counts_error: float = Field(default=0.02, gt=0.0, le=1.0)


class Engine(Validated):
    """What one physics engine made of the exported SLM frames.

    Attributes:
        answers: what the network answers: a class of each image, a class of each pixel, embeddings, or nothing: counts.
        accuracy: share of predictions equal to the label, of images or of pixels; of embeddings, share of images whose
            nearest other reference image shows the same person. None where there is nothing to compare.
        agreement: share of answers equal to those of the network on the same bench without noise; an embedding is equal
            where it lies nearest to its own expected one. None where there is no back end.
        images: how many images.
        counts_error: relative L2 difference of the camera counts (above black level) from the expected ones; what lies
            within the converter's rounding of an expected count is no difference.
        worst_counts_error: the largest such difference of a single image.
        rounding: share of the signal that the converter rounds away, rms; 0 without a converter.
        signal: expected counts above black level per camera pixel, mean; absent in results of older versions.
        borrowed: what this engine took from the models that it is meant to check.
        unmodelled: what the bench has and this engine leaves out. Both refuse what they do not model, so nothing yet.
        written_by: version of the package that wrote the files, where their manifest is older than this one's.
        seconds: wall-clock time.
    """

    answers: Answers = "classes"
    accuracy: float | None = Field(default=None, ge=0, le=1)
    agreement: float | None = Field(default=None, ge=0, le=1)
    images: int = Field(ge=1)
    counts_error: float = Field(ge=0)
    worst_counts_error: float = Field(ge=0)
    rounding: float = Field(default=0.0, ge=0)
    signal: float | None = None
    borrowed: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()
    written_by: str | None = None
    seconds: float = Field(ge=0)

    @property
    def dimness(self) -> str:
        """What the converter's rounding does to the counts, in words; empty where that is little."""
        if self.rounding <= _DIM:
            return ""
        per_pixel = "" if self.signal is None else f" of {self.signal:.2g} counts a pixel"
        return (
            f"dim: the converter rounds {100 * self.rounding:.2g} % of the signal{per_pixel} away; raise light.photons "
            "or camera.exposure, or lower the camera's gain"
        )


class Failure(Validated):
    """One limit that was not kept. engine: "wave path" or "LightPipes". what: "answers" or "counts".

    answers: what the network answers. found, limit: shares. causes: likely ones, most likely first.
    """

    engine: str
    what: str
    answers: Answers = "classes"
    found: float
    limit: float
    causes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line, with as many digits as tell the number from its limit."""
        found, limit = told_apart(self.found, self.limit)
        said = (
            f"{found} {_SAID[self.answers]}, at least {limit} must be"
            if self.what == "answers"
            else f"camera counts differ by {found}, at most {limit} may be"
        )
        likely = f". Likely: {'; or '.join(self.causes)}" if self.causes else ""
        return f"{self.engine}: {said}{likely}."


class Verdict(Validated):
    """Whether the files are proved. passed: by every engine that was asked. answers: what the network answers.

    notes: what else to know.
    """

    passed: bool
    answers: Answers = "classes"
    limits: Limits
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """The verdict in one line."""
        if self.passed:
            a, w, p = (
                f"{100 * value:.6g} %"
                for value in (
                    self.limits.agreement,
                    self.limits.wave_counts_error,
                    self.limits.lightpipes_counts_error,
                )
            )
            answers = f"of each engine at least {a} {_SAID[self.answers]}; " if _SAID[self.answers] else ""
            return f"Passed: {answers}counts differ by at most {w} (wave path) and {p} (LightPipes)."
        return "Failed: " + (" ".join(map(str, self.failures)) or "no engine was asked.")


class Verification(Validated):
    """The exported files run through the wave path and through LightPipes; None for one that was given no images.

    shared: what both engines assume alike, in words: where that is wrong, they are wrong together.
    """

    wave: Engine | None
    lightpipes: Engine | None
    shared: tuple[str, ...] = ()

    def engines(self) -> dict[str, Engine | None]:
        """Both engines by what people call them."""
        return {"wave path": self.wave, "LightPipes": self.lightpipes}

    def judged(self, limits: Limits | None = None) -> Verdict:
        """The verdict by `limits`; the usual ones when absent."""
        limits = limits or Limits()
        allowed = {
            "wave path": limits.wave_counts_error,
            "LightPipes": limits.lightpipes_counts_error,
        }
        asked = {name: engine for name, engine in self.engines().items() if engine is not None}
        wrong = {name for name, e in asked.items() if not e.counts_error <= allowed[name]}
        answers = next((e.answers for e in asked.values()), "classes")
        failures = []
        for name, e in asked.items():
            if name in wrong:
                causes = _causes_of_counts(name, wrong, asked)
                failures.append(
                    Failure(
                        engine=name, what="counts", found=e.counts_error, limit=allowed[name], causes=causes
                    )
                )
            if e.agreement is not None and not e.agreement >= limits.agreement:
                causes = () if name in wrong else _causes_of_answers(e)
                failures.append(
                    Failure(
                        engine=name,
                        what="answers",
                        answers=e.answers,
                        found=e.agreement,
                        limit=limits.agreement,
                        causes=causes,
                    )
                )
        return Verdict(
            passed=bool(asked) and not failures,
            answers=answers,
            limits=limits,
            failures=tuple(failures),
            notes=_notes(self.engines()),
        )


def _causes_of_counts(name: str, wrong: set[str], asked: dict[str, Engine]) -> tuple[str, ...]:
    """Why the counts of one engine may differ, given which ones do."""
    causes = []
    if len(wrong) == len(asked):
        causes.append(
            "the frames or the manifest are not those that the expected counts were computed with (another bench, "
            "order, orientation or response)"
        )
    elif name == "LightPipes":
        causes.append(
            "something that only LightPipes does (its grid; aberrations at the lenses, of which the parts of a wide "
            "image see different parts); the wave path agrees"
        )
    else:
        causes.append(
            "something that only the wave path does; LightPipes agrees with the point-spread functions that made the "
            "expected counts (or images side by side that were exported when all had one pupil: export again)"
        )
    if borrowed := asked[name].borrowed:
        causes.append(f"what it borrows from this project's panel: {', '.join(borrowed)}")
    if asked[name].written_by is not None:
        causes.insert(
            0,
            f"the files were written by another version of the package ({asked[name].written_by}), whose models of the "
            "bench were others: export again",
        )
    return (*causes, *filter(None, (asked[name].dimness,)))


def _causes_of_answers(engine: Engine) -> tuple[str, ...]:
    nearly_even = (
        f"classes that are nearly even, where counts that differ by {100 * engine.counts_error:.2g} % decide"
    )
    return (engine.dimness,) if engine.dimness else (nearly_even,)


def _notes(engines: dict[str, Engine | None]) -> tuple[str, ...]:
    notes = []
    for name, engine in engines.items():
        if engine is None:
            notes.append(f"{name} was not asked.")
        elif engine.borrowed:
            notes.append(
                f"{name} borrows from this project's panel and does not check it: {', '.join(engine.borrowed)}."
            )
    dim = next((e.dimness for e in engines.values() if e is not None and e.dimness), "")
    return (*notes, f"The expected counts are {dim}.") if dim else tuple(notes)


def told_apart(found: float, limit: float) -> tuple[str, str]:
    """Two shares in per cent, with as many digits as show which is larger: never "98.0 %, at least 98.0 %"."""
    for digits in range(2, 15):
        texts = tuple(f"{100 * value:.{digits}g}" for value in (found, limit))
        if found == limit or float(texts[0]) != float(texts[1]):
            break
    return f"{texts[0]} %", f"{texts[1]} %"
