"""Refuses to run beside foreign packages that bear our names: `optics` imports this first.

The distribution `spectral-cascade` installs `optics`, `networks`, `calibration` and `distill`. Unrelated
distributions named `optics` and `networks` exist on the public index; installers put them into the same
folders without a warning, and the result fails much later with an error that explains nothing. The other
three packages look for this module in `optics` for the same reason.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

OURS = "spectral-cascade"  # every package's __init__.py names it; a foreign one in the same folder does not


def check_foreign_packages() -> None:
    """Look where the other three packages would be imported from, without importing them.

    Raises:
        ImportError: one of them lies in another folder than `optics`, or its `__init__.py` is not ours.
    """
    home = Path(__file__).resolve().parents[1]
    for name in ("networks", "calibration", "distill"):
        spec = find_spec(name)
        if spec is None:
            continue
        origin = Path(spec.origin).resolve() if spec.origin else None
        source = origin.read_text(encoding="utf-8") if origin and origin.suffix == ".py" else None
        if origin is None or origin.parent != home / name or (source is not None and OURS not in source):
            where = origin or ", ".join(spec.submodule_search_locations or [])
            raise ImportError(
                f"the package {name!r} at {where} is not the one of {OURS} in {home}: another distribution "
                f"or folder uses the same import name. Uninstall it and {OURS}, then install {OURS} again, "
                "into an environment of its own; or rename that folder, or start Python elsewhere.",
                name=name,
            )


check_foreign_packages()
