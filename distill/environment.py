"""Where and with what a result was made: versions, machine, threads. Loads nothing, so that `--version` is quick."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "pydantic",
    "h5py",
    "safetensors",
    "pillow",
    "LightPipes",
)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def version() -> str:
    """The installed version of this project, or "source" where it runs from a checkout that is not installed."""
    return _version("spectral-cascade") or "source"


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def environment(seed: int, device: torch.device | None = None) -> dict[str, Any]:
    """Versions, machine, threads and seed, and where given the device that was computed on."""
    import torch

    from optics.devices import CPU, multiplies_bfloat16

    versions = {"spectral-cascade": version(), "python": platform.python_version()}
    versions |= {name: _version(name) or "unknown" for name in LIBRARIES}
    return {
        "versions": versions,
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "processors": processors(),
            "bfloat16": multiplies_bfloat16(CPU),
            "accelerator": _accelerators(),
            **({} if device is None else {"device": str(device)}),
        },
        "threads": torch.get_num_threads(),
        "seed": seed,
    }


def _accelerators() -> str:
    """CUDA's names of those that are here, or "none"; what a network was trained on is for its configuration to say."""
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names) or "none"
