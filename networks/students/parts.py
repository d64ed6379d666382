"""What a student is made of, each part described once: optics, read-out, electronics, and the way onto a bench."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from optics.spec import Validated

Count = Annotated[int, Field(ge=1, le=2**20)]
Pair = tuple[Count, Count]
Parameterisation = Literal["real", "complex", "mask", "phase"]
FREE = ("mask", "phase")


def _zeros(pool: Any) -> Any:
    """No pool is None in Python and 0 in TOML, which has no None."""
    return [0 if m is None else m for m in pool] if isinstance(pool, list | tuple) else pool


class CascadeSpec(Validated):
    """The linear optics, see `networks.cascade.cascade.Cascade`.

    channels: before, between and after the spectral convolutions; the last is the number of masks. kernel_size: taps
    per side, odd; one number, or one per layer. parameterisation: "complex" or "real" small kernels, free complex
    masks "mask", or phase-only masks "phase"; one, or one per layer. boundary: "zero" or "circular". pool: samples
    that the Fourier-plane stop behind each layer leaves, 0 is no stop. mask_shape: (gy, gx), the free masks' grid.
    trainable: false leaves the optics as they were drawn.
    """

    channels: tuple[Count, ...] = (1, 8, 16, 16)
    kernel_size: Count | tuple[Count, ...] = 3
    parameterisation: Parameterisation | tuple[Parameterisation, ...] = "complex"
    boundary: Literal["zero", "circular"] = "zero"
    pool: Annotated[tuple[Annotated[int, Field(ge=0)], ...] | None, BeforeValidator(_zeros)] = None
    mask_shape: Pair | None = None
    trainable: bool = True

    @model_validator(mode="after")
    def _per_layer(self) -> CascadeSpec:
        layers = len(self.channels) - 1
        if layers < 1:
            raise ValueError(f"channels is {self.channels}; give at least input and output, as [1, 16]")
        for name in ("kernel_size", "parameterisation", "pool"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != layers:
                one = "one per layer, 0 for no pool" if name == "pool" else "one, or one per layer"
                raise ValueError(f"{name} has {len(value)} values for {layers} layers; give {one}")
        for size, kind in zip(self.each(self.kernel_size), self.each(self.parameterisation), strict=True):
            if kind not in FREE and size % 2 == 0:
                raise ValueError(f"kernel_size is {size}; an odd number has a centre")
        free = any(kind in FREE for kind in self.each(self.parameterisation))
        if self.mask_shape is not None and not free:
            raise ValueError("mask_shape is the grid of free masks; set parameterisation 'mask' or 'phase'")
        if self.pool is not None and free and self.boundary == "zero":
            raise ValueError("pool behind free masks needs boundary 'circular', the model of a 4f system")
        return self

    def each(self, value: Any) -> list[Any]:
        """A value for every layer, of one for all or one per layer."""
        return list(value) if isinstance(value, tuple) else [value] * (len(self.channels) - 1)

    def options(self) -> dict[str, Any]:
        """Arguments of `Cascade` beside the image's shape and the generator."""
        pool = None if self.pool is None else [m or None for m in self.pool]
        return self.model_dump(exclude={"trainable", "pool"}) | {"pool": pool}

    def complete(self) -> CascadeSpec:
        """The same, one value where all layers have the same."""
        values = {name: self.each(getattr(self, name)) for name in ("kernel_size", "parameterisation")}
        return self.replace(**{name: v[0] for name, v in values.items() if len(set(v)) == 1})


class _Kinds(Validated):
    """A part that is one of several kinds, each with options of its own (abstract).

    OPTIONS: for each kind the options that only some kinds take, with their defaults; None is that default.
    """

    OPTIONS: ClassVar[dict[str, dict[str, Any]]]

    @model_validator(mode="after")
    def _fitting(self) -> _Kinds:
        kind = str(getattr(self, "kind", ""))
        takes = self.OPTIONS[kind]
        for name in {n: None for options in self.OPTIONS.values() for n in options}:
            if name not in takes and getattr(self, name) not in (None, ()):
                owners = " and ".join(k for k, options in self.OPTIONS.items() if name in options)
                rest = f"which takes {', '.join(takes)}" if takes else "which has no option of its own"
                raise ValueError(f"{name} belongs to {owners}, not to {kind}, {rest}")
        return self

    def own(self) -> dict[str, Any]:
        """The options of this kind, defaults written out."""
        takes = self.OPTIONS[str(getattr(self, "kind", ""))]
        given = {name: getattr(self, name) for name in takes}
        return {name: takes[name] if value is None else value for name, value in given.items()}


def _pixels(bins: Any) -> Any:
    return "pixels" if bins is None else bins


class ReadoutSpec(_Kinds):
    """What the camera sees, see `networks.readouts`.

    kind: "intensity", "homodyne" or "incoherent". bins: (y, x) bins of the camera's frame; "pixels" keeps every pixel.
    channel_sum (intensity): how the input channels add, "coherent" as fields, "incoherent" as intensities.
    reference_light (homodyne): amplitude of the reference beam on a bench, as a share of what a white picture gives
    there behind an encoded clear mask. reference (homodyne): the same in the units of the field, in its place.
    oversampling (both): samples per pixel and axis; 1 is one at the pixel's centre, 2 the light that the pixel's area
    collects. signed (incoherent): signed kernels as the difference of two frames.
    """

    OPTIONS: ClassVar[dict[str, dict[str, Any]]] = {
        "intensity": {"channel_sum": "coherent", "oversampling": 1},
        "homodyne": {"reference": None, "reference_light": 0.25, "oversampling": 1},
        "incoherent": {"signed": True},
    }

    kind: Literal["intensity", "homodyne", "incoherent"] = "intensity"
    bins: Annotated[Pair | Literal["pixels"], BeforeValidator(_pixels)] = (4, 4)
    channel_sum: Literal["coherent", "incoherent"] | None = None
    reference: float | None = Field(default=None, gt=0.0)
    reference_light: float | None = Field(default=None, gt=0.0)
    oversampling: Annotated[int, Field(ge=1, le=4)] | None = None
    signed: bool | None = None

    @property
    def grid(self) -> Pair | None:
        """(by, bx) of the bins; None where every pixel is kept."""
        return None if self.bins == "pixels" else self.bins

    def signed_maps(self) -> bool:
        """Whether feature maps have a sign; else they are counts, whose square root is worth taking."""
        return self.kind == "homodyne" or (self.kind == "incoherent" and self.own()["signed"])

    def maps(self, channels: int) -> int:
        """Feature maps of so many output channels."""
        return 2 * channels if self.kind == "homodyne" else channels


class BackendSpec(_Kinds):
    """The electronic back end, see `networks.backends`.

    kind: "classifier", "segmenter" or "embedder". hidden (classifier, embedder): widths of hidden layers. mix
    (classifier): 1x1 mix to so many maps. width (segmenter): channels inside. context (classifier, segmenter): steps on
    the bins that look ever farther. average (classifier): bins that are left after them. dimension, scale (embedder):
    of the unit vector, of the logits. square_root: of the features first; where they are counts, by default. epsilon:
    added before it. image_shape (segmenter): (ny, nx) of its masks, the images' by default. side: so many neighbouring
    bins per axis are maps of their own.
    """

    OPTIONS: ClassVar[dict[str, dict[str, Any]]] = {
        "classifier": {"hidden": (), "mix": None, "context": 0, "average": None},
        "segmenter": {"width": 16, "context": 0, "image_shape": None},
        "embedder": {"hidden": (), "dimension": 64, "scale": 16.0},
    }

    kind: Literal["classifier", "segmenter", "embedder"] = "classifier"
    hidden: tuple[Count, ...] = ()
    mix: Count | None = None
    width: Count | None = None
    context: Annotated[int, Field(ge=0, le=10)] | None = None
    average: Pair | None = None
    image_shape: Pair | None = None
    dimension: Count | None = None
    scale: float | None = Field(default=None, ge=1e-3, le=1e3)
    square_root: bool | None = None
    epsilon: float | None = Field(default=None, gt=0.0)
    side: Count | None = None


class RealisationSpec(_Kinds):
    """The way onto a bench, see `Student.on`.

    kind: "collapsed" (one mask and one exposure a frame), "tiled" (several masks side by side in a frame) or "staged"
    (one 4f stage per layer). tiles (tiled): masks in a frame; where absent as many as fit, see
    `networks.onbench.tiled`. compensate: pre-emphasise the masks by the inverse of the display pixel's transform.
    oversampling: camera samples per input pixel; chosen by the bench where absent.
    """

    OPTIONS: ClassVar[dict[str, dict[str, Any]]] = {
        "collapsed": {},
        "tiled": {"tiles": None},
        "staged": {},
    }

    kind: Literal["collapsed", "tiled", "staged"] = "collapsed"
    tiles: Count | None = None
    compensate: bool = True
    oversampling: Count | Pair | None = None

    def options(self) -> dict[str, Any]:
        """Arguments of `Student.on` beside the bench and the images' shape."""
        shared = {"compensate": self.compensate, "oversampling": self.oversampling}
        return {"realisation": self.kind, **shared, **self.own()}
