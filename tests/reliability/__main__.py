"""Every failure point of every job: `python -m tests.reliability [JOB ...]`; ends with 1 if one is not survived."""

from __future__ import annotations

import argparse
import collections
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability.faults import HOW
from tests.reliability.jobs import JOBS
from tests.reliability.points import Bench


def main() -> int:
    """Run the points and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("jobs", nargs="*", help=f"of {', '.join(JOBS)}")
    parser.add_argument("--every", type=int, default=1, help="take every so many points only")
    options = parser.parse_args()
    failed = total = 0
    print("| job | operations | of which | points | not survived | seconds |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.jobs or JOBS:
            start, bench = time.perf_counter(), Bench(name, Path(scratch).resolve())
            points = [(how, at) for how in HOW for at in range(1, len(bench.kinds) + 1, options.every)]
            wrong = 0
            for how, at in points:
                for problem in (found := bench.problems(how, at)):
                    print(f"{name}, {how} at {at} ({bench.kinds[at - 1]}): {problem}", file=sys.stderr)
                wrong += bool(found)
            kinds = ", ".join(f"{n} {k}" for k, n in collections.Counter(bench.kinds).items())
            spent = time.perf_counter() - start
            print(
                f"| {name} | {len(bench.kinds)} | {kinds} | {len(points)} | {wrong} | {spent:.0f} |",
                flush=True,
            )
            failed, total = failed + wrong, total + len(points)
    print(f"\n{total} failure points, {failed} not survived")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
