"""How the frames of an SLM stand to images and answers: what must be known of a network on a bench beside its levels.

| arrangement | frames |
|---|---|
| one mask a frame | frame `m` is mask `m`; of C channels one by one: of output `m // C`, channel `m % C` |
| tiles | frame `m // T` holds mask `m` as its tile `m % T` |
| stages | those of stage 0, then of stage 1, ...; in a stage input `i` to output `o` is `o inputs + i`, each an SLM |
"""

from __future__ import annotations

from pydantic import Field

from networks.onbench.display import Display
from optics.checks import OpticsError
from optics.conventions import Point
from optics.spec import Validated


class StageArrangement(Validated):
    """One 4f stage of several.

    outputs, inputs: channels behind and before it. reach: input pixels that its kernels spread light to each side.
    """

    outputs: int = Field(ge=1, le=2**20)
    inputs: int = Field(ge=1, le=2**20)
    reach: int = Field(ge=0, le=2**10)

    @property
    def masks(self) -> int:
        """One per pair of channels."""
        return self.outputs * self.inputs


class Arrangement(Validated):
    """See the module.

    Attributes:
        channels: of the images.
        one_by_one: each channel has an exposure of its own; else they stand side by side on the display.
        gap: dark display pixels between channels side by side.
        tiles: where the masks of one frame send their images, (y, x) metres in input units; empty: one mask a
            frame, where the bench's carrier puts it.
        stages: in the order of the light; empty: one.
    """

    channels: int = Field(default=1, ge=1, le=2**10)
    one_by_one: bool = False
    gap: int = Field(default=0, ge=0, le=2**12)
    tiles: tuple[Point, ...] = ()
    stages: tuple[StageArrangement, ...] = ()

    @property
    def way(self) -> str:
        """The way onto a bench: "collapsed", "tiled" or "staged"."""
        return "staged" if self.stages else "tiled" if self.tiles else "collapsed"

    def display(self, image_shape: tuple[int, int]) -> Display:
        """How images of (H, W) pixels are shown."""
        return Display(image_shape, self.channels, self.one_by_one, gap=self.gap)

    def masks(self, frames: int) -> int:
        """Masks whose images the camera sees one exposure after another or side by side, of so many SLM frames.

        Raises:
            OpticsError: the frames cannot be arranged so.
        """
        if self.stages:
            self.split(frames)
            return self.stages[-1].outputs
        if self.one_by_one and frames % self.channels:
            raise OpticsError(f"{frames} frames are no whole number for each of {self.channels} channels.")
        return frames * max(1, len(self.tiles))

    def split(self, frames: int) -> list[int]:
        """Frames of each SLM (a stage's count as one), in order.

        Raises:
            OpticsError: there are not as many as the stages need, or the stages do not follow each other.
        """
        if not self.stages:
            return [frames]
        counts = [stage.masks for stage in self.stages]
        if sum(counts) != frames:
            raise OpticsError(
                f"{frames} frames for stages of {' + '.join(map(str, counts))} masks; give one per mask."
            )
        ends = [self.channels, *(stage.outputs for stage in self.stages)]
        for before, stage in zip(ends, self.stages, strict=False):
            if stage.inputs != before:
                raise OpticsError(f"a stage takes {stage.inputs} channels and {before} come to it.")
        return counts


def arranged(
    display: Display, *, tiles: tuple[Point, ...] = (), stages: tuple[StageArrangement, ...] = ()
) -> Arrangement:
    """The arrangement of frames whose images a display shows so."""
    side_by_side = display.at_once > 1
    return Arrangement(
        channels=display.channels,
        one_by_one=display.one_by_one,
        gap=display.gap if side_by_side else 0,
        tiles=tiles,
        stages=stages,
    )
