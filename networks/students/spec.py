"""The one description of a student: what Python builds, a saved file holds, and a run's configuration says.

    [student.cascade]                # optics: `networks.Cascade`
    channels = [1, 8, 16]
    [student.readout]                # what the camera sees: `networks.readouts`
    kind = "homodyne"
    bins = [4, 4]
    [student.backend]                # electronics: `networks.backends`
    kind = "classifier"
    mix = 8

`spread` takes the same keys without their tables, as `Student.build` and short configurations write them. Every key has
a default; a key that the chosen kind does not take is refused.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, get_args

from pydantic import model_validator

from networks.students.parts import FREE, BackendSpec, CascadeSpec, Count, Pair, ReadoutSpec, RealisationSpec
from optics.errors import SpecError
from optics.spec import Validated

Control = Literal["random_masks", "no_mask", "raw_image", "shuffled"]
EPSILON = 1e-4  # of `networks.backends.classifier.SquareRoot`

PARTS: dict[str, type[Validated]] = {
    "cascade": CascadeSpec,
    "readout": ReadoutSpec,
    "backend": BackendSpec,
    "realisation": RealisationSpec,
}
SHORT = {
    name: (part, name)
    for part, model in PARTS.items()
    for name in model.model_fields
    if part != "realisation" and name not in ("kind", "image_shape", "side")
} | {"head": ("backend", "kind")}


def places(table: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Where each short key of a student's table belongs, (part, key); a part given by name is that part's kind."""
    named = {key: (key, "kind") for key, value in table.items() if key in PARTS and isinstance(value, str)}
    return named | {key: SHORT[key] for key in table if key in SHORT}


def spread(table: Mapping[str, Any]) -> dict[str, Any]:
    """A student's table with each short key in the table of its part.

    `{"channels": [1, 8], "readout": "homodyne"}` becomes `{"cascade": {"channels": [1, 8]}, "readout": {"kind":
    "homodyne"}}`. Other keys are left as they are.

    Raises:
        SpecError: a value is given both ways.
    """
    short = places(table)
    out = {k: dict(v) if isinstance(v, Mapping) else v for k, v in table.items() if k not in short}
    for key, (part, name) in short.items():
        inside = out.setdefault(part, {})
        if not isinstance(inside, dict) or name in inside:
            raise SpecError(f"student.{key} and student.{part}.{name} are both given; keep one.")
        inside[name] = table[key]
    return out


class StudentSpec(Validated):
    """Optics, read-out and electronics of one network.

    image_shape: (ny, nx) of the images; needed by free masks, pools, segmenters, and where every pixel is kept.
    classes: logits of the back end. control: None for a student, or which control it is.
    """

    cascade: CascadeSpec = CascadeSpec()
    readout: ReadoutSpec = ReadoutSpec()
    backend: BackendSpec = BackendSpec()
    image_shape: Pair | None = None
    classes: Count = 10
    control: Control | None = None

    @model_validator(mode="after")
    def _between(self) -> StudentSpec:
        """Samples between the pixels' centres are known of one small kernel in darkness alone."""
        cascade, samples = self.cascade, self.readout.oversampling or 1
        whole = cascade.boundary == "circular" or cascade.pool is not None
        if samples > 1 and (whole or any(kind in FREE for kind in cascade.each(cascade.parameterisation))):
            raise ValueError(
                f"readout.oversampling is {samples} and needs small kernels, no pool and boundary 'zero'; use 1"
            )
        return self

    @classmethod
    def of(cls, **words: Any) -> StudentSpec:
        """From the keys of the parts without their tables, as `spread` takes them; None leaves a default.

        Raises:
            SpecError: a word that no part has, or a value that its part refuses.
        """
        known = {*SHORT, *cls.model_fields}
        for word, value in words.items():
            if word not in known and value is not None:
                raise SpecError(f"a student has no option {word!r}; choose from {', '.join(sorted(known))}.")
        kept = {k: v for k, v in words.items() if k == "bins" or (v is not None and k in known)}
        return cls(**spread(kept))

    @classmethod
    def of_parts(
        cls,
        cascade: Mapping[str, Any],
        readout: Mapping[str, Any],
        backend: Mapping[str, Any],
        *,
        image_shape: Pair | None = None,
        control: Control | None = None,
    ) -> StudentSpec:
        """From what each part of a network tells of itself (`Cascade.config` and its like), every default written out.

        Raises:
            SpecError: the parts do not fit each other.
        """
        optics, eye, electronics = dict(cascade), dict(readout), dict(backend)
        shape = image_shape or _pair(optics.pop("image_shape", None))
        optics.pop("image_shape", None)
        if electronics.get("kind") == "stacked":
            electronics = dict(electronics["backend"]) | {"side": electronics["side"]}
        maps, by, bx = electronics.pop("features")
        classes = electronics.pop("classes")
        side = electronics.get("side", 1)
        shape = shape or _pair(electronics.get("image_shape"))
        if shape is None and eye.get("bins") is None:
            shape = (by * side, bx * side)
        made = cls(
            cascade=CascadeSpec(**optics).complete(),
            readout=ReadoutSpec(**{"kind": eye.pop("name"), **eye}),
            backend=BackendSpec(**electronics),
            image_shape=shape,
            classes=classes,
            control=control,
        )
        if made.features() != (maps, by, bx):
            raise SpecError(
                f"the back end takes features {(maps, by, bx)}, the read-out gives {made.features()}."
            )
        return made.complete()

    def complete(self) -> StudentSpec:
        """The same with every default written out; two specs that mean one network are then equal."""
        root = (
            not self.readout.signed_maps() if self.backend.square_root is None else self.backend.square_root
        )
        own = self.backend.own()
        if self.backend.kind == "segmenter":
            own["image_shape"] = self.backend.image_shape or self.image_shape
        own |= {"square_root": root, "epsilon": self.backend.epsilon or EPSILON}
        return self.replace(
            cascade=self.cascade.complete(),
            readout=self.readout.replace(**self.readout.own()),
            backend=self.backend.replace(**own),
        )

    def features(self) -> tuple[int, int, int]:
        """(maps, by, bx) that the back end takes, `side` x `side` neighbours as maps of their own.

        Raises:
            SpecError: the bins are pixels and the images' shape is not known, or bins do not divide by `side`.
        """
        bins = self.readout.grid or self._map_shape()
        side = self.backend.side or 1
        if bins[0] % side or bins[1] % side:
            raise SpecError(f"backend.side is {side} and the bins are {bins}; choose bins that it divides.")
        maps = self.readout.maps(self.cascade.channels[-1])
        return maps * side**2, bins[0] // side, bins[1] // side

    def at_centres(self) -> bool:
        """Whether its light is computed at the pixels' centres alone, and need not be."""
        try:
            self.replace(**{"readout.oversampling": 2})
        except SpecError:
            return False
        return self.readout.oversampling in (None, 1)

    def _map_shape(self) -> tuple[int, int]:
        pools = [m for m in self.cascade.pool or () if m]
        if pools:
            return pools[-1], pools[-1]
        if self.image_shape is None:
            raise SpecError("image_shape is not given; where every pixel is kept the back end needs it.")
        return self.image_shape

    def as_control(self, control: Control | None) -> StudentSpec:
        """The control of this student, see `Student.random_masks` and `networks.students.controls`; None is itself.

        Raises:
            SpecError: no such control, or this student cannot have it.
        """
        if control is None:
            return self
        if control == "random_masks":
            return self.replace(**{"cascade.trainable": False, "control": control})
        if control == "shuffled":
            return self.replace(cascade=self._one_kernel(), control=control)
        if control == "no_mask":
            return self._without_optics(self.readout)
        if control == "raw_image":
            lens = self._without_optics(ReadoutSpec(kind="intensity", bins=self.readout.bins))
            return lens.replace(**{"backend.square_root": False, "control": control})
        raise SpecError(f"no control is called {control!r}; choose from {', '.join(get_args(Control))}.")

    def _one_kernel(self) -> CascadeSpec:
        """One frozen layer of complex kernels as large as the collapsed ones."""
        cascade = self.cascade
        sizes, kinds = cascade.each(cascade.kernel_size), cascade.each(cascade.parameterisation)
        if any(cascade.pool or ()) or any(kind in FREE for kind in kinds):
            raise SpecError(
                "the control 'shuffled' moves the taps of kernels; free masks and pools have none."
            )
        return CascadeSpec(
            channels=(cascade.channels[0], cascade.channels[-1]),
            kernel_size=1 + sum(size - 1 for size in sizes),
            boundary=cascade.boundary,
            trainable=False,
        )

    def _without_optics(self, eye: ReadoutSpec) -> StudentSpec:
        """A plain lens, so read out, before a back end of about the same size."""
        into, out = self.cascade.channels[0], self.cascade.channels[-1]
        lens = CascadeSpec(channels=(into, into), kernel_size=1, parameterisation="real", trainable=False)
        if self.image_shape is None:
            raise SpecError("image_shape is not given; a plain lens's bins depend on it.")
        coarse, finest = self.readout.grid or self._map_shape(), self.image_shape
        times = self.readout.maps(out) / eye.maps(into)
        changes: dict[str, Any] = {"cascade": lens, "control": "no_mask"}
        if self.backend.kind == "segmenter" or self.backend.mix is not None:
            side = max(1, min(round(math.sqrt(times)), finest[0] // coarse[0], finest[1] // coarse[1]))
            bins = coarse[0] * side, coarse[1] * side
            changes["backend.side"] = side
        else:
            bins = matched_bins(finest, coarse, times)
        changes["readout"] = eye.replace(bins=bins)
        return self.replace(**changes)


def matched_bins(image_shape: tuple[int, int], bins: tuple[int, int], times: float) -> tuple[int, int]:
    """(by, bx) with about `times` as many bins as `bins`, never more than pixels."""
    factor = math.sqrt(times)
    by, bx = (max(1, min(n, round(b * factor))) for n, b in zip(image_shape, bins, strict=True))
    return by, bx


def _pair(value: Any) -> Pair | None:
    return None if value is None else (int(value[0]), int(value[1]))
