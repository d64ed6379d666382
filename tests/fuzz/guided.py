"""Fuzzing guided by coverage, for readers that are Python through and through: `python -m tests.fuzz.guided vary`.

Needs atheris (`pip install atheris`, where it can be had), which is none of the tests' tools. What follows the reader's
name goes to libFuzzer: `-max_total_time=100` by default. It ends with an error at the first finding.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=[
        "networks.students.matlab",
        "distill.data.pickled",
        "distill.studies.axes",
        "distill.designs.builtins",
        "optics.toml_errors",
    ]
):
    from distill.data import pickled
    from distill.designs.builtins import built_in
    from distill.studies.axes import parse
    from networks.students import matlab

from optics.errors import OpticsError
from tests.fuzz import corpus
from tests.fuzz.checks import is_ours

READ: dict[str, tuple[str, str, Callable[[bytes], object]]] = {
    "matlab": ("arrays", ".mat", lambda data: matlab.read(data, what="x")),
    "pickled": ("cifar", "", lambda data: pickled.load(data, name="x")),
    "vary": ("vary", "", lambda data: parse(data.decode("utf-8", "replace"))),
    "built-in": ("built-ins", "", lambda data: built_in(data.decode("utf-8", "replace"))),
}
LARGEST = 20_000  # bytes of an input


def main() -> None:
    """Fuzz one reader until the time is over, or something is found."""
    name, ending, read = READ[sys.argv.pop(1)]

    def one(data: bytes) -> None:
        try:
            read(data)
        except OpticsError as error:
            if wrong := is_ours(error, Path("in-no-file")):
                raise RuntimeError(wrong) from error

    with tempfile.TemporaryDirectory() as seeds:
        files = [f for make in corpus.MAKERS[name] for f in make().items() if f[0].endswith(ending)]
        for k, (_, data) in enumerate(files):
            (Path(seeds) / str(k)).write_bytes(data[:LARGEST])
        usual = ["-max_total_time=100", f"-max_len={LARGEST}", "-rss_limit_mb=1500"]
        atheris.Setup([sys.argv[0], seeds, *usual, *sys.argv[1:]], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
