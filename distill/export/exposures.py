"""In which order a laboratory exposes its camera, and what each exposure is: frame, channel, tile, stage, phase, lines.

`camera_counts` in `reference.h5` and an export's `scales` follow the same order. Written into `manifest.json` as
`exposures`, and into `README.txt` in words.
"""

from __future__ import annotations

import math
import textwrap
from typing import Annotated

from pydantic import Field

from networks.onbench.arrangement import Arrangement
from networks.readouts.readouts import Incoherent, Readout
from optics.bench.spec import BenchSpec
from optics.spec import Validated

_QUARTERS = ("0", "90", "180", "270")
_WIDTH = 110  # of a line of text
_LISTED = 12  # exposures that the text names one by one


Index = Annotated[int, Field(ge=0)]


class ExposureEntry(Validated):
    """One exposure of the camera.

    Attributes:
        what: in words.
        slm_frames: which files are shown, as index into `slm_frames`; several where there are several SLMs.
        channels: of the image that are on the display, from left to right.
        quarter_waves: by how many the reference beam is late; 0 without one.
        readings: what of it is read, as index into the second axis of `camera_counts`: one of each tile.
    """

    what: str
    slm_frames: tuple[Index, ...] = Field(min_length=1)
    channels: tuple[Index, ...] = Field(min_length=1)
    quarter_waves: int = Field(default=0, ge=0, le=3)
    readings: tuple[Index, ...] = Field(min_length=1)


def exposures(arrangement: Arrangement, frames: int, readout: Readout) -> tuple[ExposureEntry, ...]:
    """Every exposure for one image, in order.

    Args:
        arrangement: how frames stand to images.
        frames: how many SLM frames there are.
        readout: what the camera shall see.
    """
    masks, tiles = arrangement.masks(frames), max(1, len(arrangement.tiles))
    every = tuple(range(arrangement.channels))
    found = []
    for quarter in range(4 if readout.needs_field else 1):
        for shot in range(masks // tiles):
            readings = tuple(quarter * masks + shot * tiles + t for t in range(tiles))
            one = arrangement.one_by_one
            found.append(
                ExposureEntry(
                    what=_words(arrangement, readout, masks, shot, quarter),
                    slm_frames=_shown(arrangement, frames, shot),
                    channels=(shot % arrangement.channels,) if one else every,
                    quarter_waves=quarter,
                    readings=readings,
                )
            )
    return tuple(found)


def _shown(arrangement: Arrangement, frames: int, shot: int) -> tuple[int, ...]:
    """Frames that are up in one exposure; of stages all but those of other outputs of the last."""
    if not arrangement.stages:
        return (shot,)
    last = arrangement.stages[-1]
    before = frames - last.masks
    own = range(before + shot * last.inputs, before + (shot + 1) * last.inputs)
    return (*range(before), *own)


def _words(arrangement: Arrangement, readout: Readout, masks: int, shot: int, quarter: int) -> str:
    tiles = max(1, len(arrangement.tiles))
    said = []
    for t in range(tiles):
        mask = shot * tiles + t
        output, part = mask, ""
        if isinstance(readout, Incoherent) and readout.signed:
            output, part = mask % (masks // 2), " positive part" if mask < masks // 2 else " negative part"
        channel = ""
        if arrangement.one_by_one:
            channel, output = f" channel {output % arrangement.channels}", output // arrangement.channels
        tile = f" in tile {t}" if tiles > 1 else ""
        said.append(f"output {output}{part}{channel}{tile}")
    phase = f", reference at {_QUARTERS[quarter]} degrees" if readout.needs_field else ""
    return ", ".join(said) + phase


def frame_names(arrangement: Arrangement, frames: int) -> list[str]:
    """Names of the frames' files without an ending: of stages with the stage first."""
    if not arrangement.stages:
        return [f"slm/frame-{i:03d}" for i in range(frames)]
    counts = arrangement.split(frames)
    return [f"slm/stage-{s}-frame-{i:03d}" for s, count in enumerate(counts) for i in range(count)]


# ---------------------------------------------------------------------- in words


def order_in_words(
    bench: BenchSpec,
    arrangement: Arrangement,
    readout: Readout,
    image_shape: tuple[int, int],
    names: tuple[str, ...],
    entries: tuple[ExposureEntry, ...],
    spots: tuple[str, ...],
    beams: tuple[float, ...],
) -> str:
    """The text for the laboratory: what is on the display, on the SLMs, and what each exposure is.

    Args:
        bench: the bench.
        arrangement: how frames stand to images.
        readout: what the camera shall see.
        image_shape: (H, W) of one channel.
        names: the frames' files in order.
        entries: every exposure.
        spots: where each tile's image lands, in words.
        beams: amplitude of the reference beam for each mask, as a share of what a white picture gives behind an encoded
            clear mask; zeros without one.
    """
    parts = [_on_display(arrangement, readout, image_shape), *_light(bench), *_reference(readout, beams)]
    if arrangement.stages:
        parts += _stages(arrangement, names)
    if len(spots) > 1:
        where = "; ".join(f"tile {t} at {spot}" for t, spot in enumerate(spots))
        parts.append(f"Every frame sends {len(spots)} images side by side, their middles: {where}.")
    shown = [
        f"exposure {i}: {', '.join(names[k] for k in _last(arrangement, e))}: {e.what}"
        for i, e in enumerate(entries[:_LISTED])
    ]
    if len(entries) > _LISTED:
        shown.append(f"... and so on to exposure {len(entries) - 1}: {entries[-1].what}")
    said = [*parts, f"{len(entries)} exposures for an image (all in manifest.json: exposures):", *shown]
    return "\n".join(textwrap.fill(text, _WIDTH, subsequent_indent="  ") for text in said)


def _on_display(arrangement: Arrangement, readout: Readout, image_shape: tuple[int, int]) -> str:
    n, w = arrangement.channels, image_shape[1]
    drive = (
        "The display's intensity is the image's value (its amplitude the square root)."
        if readout.incoherent_light
        else "The display's field amplitude is the image's value."
    )
    if n == 1:
        return drive
    if arrangement.one_by_one:
        return f"{drive} The {n} channels are shown one after another, each with the frames that are its own."
    canvas = arrangement.display(image_shape).canvas_shape
    first = ", ".join(str(i * (w + arrangement.gap)) for i in range(n))
    return (
        f"{drive} The {n} channels stand side by side on {canvas[0]} x {canvas[1]} display pixels, from left to "
        f"right, beginning at columns {first} ({arrangement.gap} dark pixels between); column {canvas[1] // 2} is on "
        "the axis."
    )


def _light(bench: BenchSpec) -> list[str]:
    light, said = bench.light, []
    if light.spectrum:
        lines = ", ".join(f"{w * 1e9:.6g} nm (weight {weight:g})" for w, weight in light.lines)
        said.append(
            f"All wavelengths at once: {lines}. The frames are the same for all; their levels are computed for "
            f"{light.wavelength * 1e9:.6g} nm. Shown one after another, equally bright, add the counts above black "
            "with these weights."
        )
    if light.coherence == "partial":
        angle = math.degrees(light.source_width)
        said.append(
            f"Partially coherent light: the source is {angle:.3g} degrees wide, seen from the display."
        )
    if light.coherence == "incoherent":
        said.append("Incoherent light: the display's pixels must not interfere.")
    return said


def _reference(readout: Readout, beams: tuple[float, ...]) -> list[str]:
    if not readout.needs_field:
        return []
    low, high = 100 * min(beams) ** 2, 100 * max(beams) ** 2
    strong = f"{high:.3g} %"
    if high - low > 1e-3 * high:
        each = ", ".join(f"{beam:.3g}" for beam in beams)
        strong = f"{low:.3g} to {high:.3g} % (in the order of the masks, amplitudes: {each})"
    return [
        f"Reference beam: a plane wave that alone gives {strong} of the counts above black that a white picture gives "
        "behind the encoded clear mask (lab/, grating). It is at 0 degrees where it makes the image of a point in the "
        "middle of the display, behind that mask, brightest; each exposure says by how many degrees it is later."
    ]


def _stages(arrangement: Arrangement, names: tuple[str, ...]) -> list[str]:
    said, start = [], 0
    for s, stage in enumerate(arrangement.stages):
        end = start + stage.masks
        said.append(
            f"Stage {s}: {stage.masks} SLMs, {names[start]} to {names[end - 1]}: frame o * {stage.inputs} + i takes "
            f"channel i to channel o."
        )
        start = end
    said.append(
        "The images of one channel o are brought together behind each stage; the frames of all stages but the last "
        "stay on. Align every stage by itself first, with the display before it and the camera behind it."
    )
    return said


def _last(arrangement: Arrangement, entry: ExposureEntry) -> tuple[int, ...]:
    """The frames that tell an exposure from its neighbours: those of the last stage."""
    return entry.slm_frames[-arrangement.stages[-1].inputs :] if arrangement.stages else entry.slm_frames
