"""`python -m examples [NAME ...]`: run the gallery, tell each number, draw examples/pictures anew."""

from __future__ import annotations

import importlib
import io
import sys
import time
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
NAMES = [
    "low_pass_4f",
    "each_flaw",
    "bits_1_to_8",
    "encodings_compared",
    "psf_for_my_slm",
    "my_own_masks",
    "my_own_teacher",
    "noise_study",
    "compare_benches",
]
COLOURS = 64  # of a stored picture, which keeps it small


def picture(figure) -> bytes:
    """A figure as a small PNG file."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    out = io.BytesIO()
    Image.open(drawn).convert("RGB").quantize(COLOURS).save(out, format="png", optimize=True)
    return out.getvalue()


def main() -> None:
    """Run what is named, or everything."""
    for name in sys.argv[1:] or NAMES:
        start = time.perf_counter()
        found, figure = importlib.import_module(f"examples.{name}").main()
        (HERE / "pictures" / f"{name}.png").write_bytes(picture(figure))
        print(f"{name:<20} {time.perf_counter() - start:5.1f} s  {found}")


if __name__ == "__main__":
    main()
