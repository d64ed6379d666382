"""What a directory or a file is: a run, a kept one, an export, a design, a network, a bench; by what lies in it alone.

Nothing that it names elsewhere is opened, neither data nor bench, so that it answers on another machine too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from distill.export.manifest import NAME, manifest_data
from distill.job.ledger import CONFIG, LEDGER, RESULT, UNREADABLE, read_json
from distill.job.result import controls_of_labels
from distill.job.rows import Rows
from distill.training.checkpoint import load_config, load_network
from networks import Student
from optics.errors import OpticsError
from optics.reading import home
from optics.recognise import recognise
from optics.toml_errors import parse

KEPT = "kept.json"

Facts = dict[str, Any]


def about(path: str | Path) -> Facts:
    """What is at `path`: "what", then what there is to say of it, by name; values are JSON's.

    Raises:
        OpticsError: nothing is there, it is damaged, or nothing that this project knows.
    """
    place = home(path)
    if place.is_dir():
        if (place / CONFIG).is_file() and (place / LEDGER).is_file():
            return _run(place)
        if (place / CONFIG).is_file() and (place / KEPT).is_file():
            return _named(place, "a kept run") | _result(read_json(place / RESULT))
        if (place / NAME).is_file():
            return _exported(place)
        raise OpticsError(
            f"{path} is neither a run, a kept run, an export nor a design; `sclc data check` tells of images."
        )
    if not place.exists():
        raise OpticsError(f"there is no {path}.")
    found = recognise(place)
    if found is None:
        raise OpticsError(f"{path} is no file that this project knows.")
    if found.kind == "network":
        return _network(place)
    facts: Facts = {
        "what": found.what,
        "use": found.use.replace("FILE", str(path)),
        "bytes": place.stat().st_size,
    }
    if found.kind in ("bench", "run", "device"):
        told = parse(place)[0]
        facts |= {key: told[key] for key in ("name", "title", "seed") if key in told}
        facts |= {f"{table}.device": part["device"] for table, part in told.items() if _names(part, "device")}
    return facts


def _names(part: Any, key: str) -> bool:
    return isinstance(part, Mapping) and key in part


def _run(folder: Path) -> Facts:
    steps = read_json(folder / LEDGER, fix=UNREADABLE).get("steps", {})
    what = "a run" if (folder / RESULT).is_file() else "a run that is not finished"
    facts = _named(folder, what) | {"steps done": [name for name, step in steps.items() if step.get("done")]}
    if (folder / "data.json").is_file():
        seen = read_json(folder / "data.json")
        shape = " x ".join(map(str, seen.get("image_shape", [])))
        facts["images"] = ", ".join(
            f"{seen[part]} {part}" for part in ("train", "validation", "test") if part in seen
        )
        facts["image size"] = shape
        facts["classes"] = len(seen.get("class_names", []))
    if (folder / RESULT).is_file():
        facts |= _result(read_json(folder / RESULT))
    return facts


def _named(folder: Path, what: str) -> Facts:
    """What the configuration in a run's folder says it is, and its size."""
    told = parse(folder / CONFIG)[0]
    return {
        "what": what,
        "name": told.get("name"),
        "seed": told.get("seed", 0),
        "data": told.get("data", {}).get("source"),
        "bench": told.get("bench", {}).get("source"),
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
    }


def _result(result: Mapping[str, Any]) -> Facts:
    facts: Facts = {
        "finished": result.get("finished"),
        "made by": f"spectral-cascade {_version(result.get('environment'))}",
        "read-out": result.get("readout"),
    }
    alone = controls_of_labels(result)
    rows = result.get("rows", {})
    for name in Rows.model_fields:  # in their order, whichever was evaluated last
        row = rows.get(name)
        if isinstance(row, Mapping) and "accuracy" in row:
            of_labels = " (labels)" if name in alone else ""
            facts[Rows.model_fields[name].title or name] = (
                f"{row.get('metric', 'accuracy')} {100 * row['accuracy']:.2f} %{of_labels}"
            )
    operations = result.get("operations", {})
    facts["operations an image"] = {k: v for k, v in operations.items() if isinstance(v, int)}
    verdict = result.get("verdict")
    if isinstance(verdict, Mapping):
        facts["files"] = (
            f"{'proved' if verdict.get('passed') else 'not proved'} ({_engines(result.get('verify'))})"
        )
    return facts


def _engines(verify: Any) -> str:
    """Which simulators ran the files, and over how many images."""
    told = verify if isinstance(verify, Mapping) else {}
    images = {
        engine: part.get("images", 0) if isinstance(part := told.get(name), Mapping) else 0
        for name, engine in (("wave", "wave path"), ("lightpipes", "LightPipes"))
    }
    return ", ".join(f"{engine} {f'{n} images' if n else 'none'}" for engine, n in images.items())


def _version(environment: Any) -> str:
    """The version of this project in a result's `environment`."""
    versions = environment.get("versions") if isinstance(environment, Mapping) else None
    known = versions.get("spectral-cascade") if isinstance(versions, Mapping) else None
    return known if isinstance(known, str) else "of an unknown version"


def _exported(folder: Path) -> Facts:
    told = manifest_data(folder)
    device = told.get("device", {})
    files = told.get("files", {})
    return {
        "what": "a design" if "design" in str(told.get("format")) else "an export",
        "made by": f"spectral-cascade {told.get('package_version', 'of an unknown version')}",
        "schema": told.get("schema_version"),
        "bench": told.get("bench", {}).get("name"),
        "device": device.get("catalogue") or f"{' x '.join(map(str, device.get('shape', [])))} pixels",
        "wavelength (m)": told.get("wavelength"),
        "image size": " x ".join(map(str, told.get("image_shape", []))),
        "SLM frames": len(told.get("slm_frames", [])),
        "images": told.get("images"),
        "classes": list(told.get("class_names", [])),
        "files": len(files),
        "bytes": sum(int(entry.get("bytes", 0)) for entry in files.values()),
    }


def _network(path: Path) -> Facts:
    config = load_config(path)
    facts: Facts = {"what": f"a {config.get('kind', 'network')}'s network", "bytes": path.stat().st_size}
    if config.get("kind") == "teacher":
        return facts | {k: config[k] for k in ("name", "in_channels", "classes", "image_size") if k in config}
    if config.get("kind") == "given teacher":
        return facts | {"teacher": config.get("label"), "right on the validation part": config.get("right")}
    network = load_network(path)
    facts["parameters"] = sum(p.numel() for p in network.parameters())
    if isinstance(network, Student) and network.spec is not None:
        spec = network.spec.complete()
        facts |= {
            "image size": " x ".join(map(str, spec.image_shape or ())),
            "classes": spec.classes,
            "read-out": spec.readout.kind,
            "channels": list(spec.cascade.channels),
            "kernel": network.cascade.kernel_size,
            "back end": spec.backend.kind,
        }
        if spec.image_shape is not None:
            facts["operations an image"] = network.operations(
                torch.zeros(1, network.cascade.in_channels, *spec.image_shape)
            )
    return facts
