"""Every failure point of every job: `python -m tests.reliability [JOB ...]`; ends with 1 if one is not survived."""

from __future__ import annotations

import argparse
import collections
import random
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
    parser.add_argument("--kills", type=int, help="instead: so many kills at random moments of random jobs")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    if options.kills:
        return kills(options.jobs or list(JOBS), options.kills, options.seed)
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


def kills(jobs: list[str], count: int, seed: int) -> int:
    """Kill jobs at random moments and say what came of each; 1 if one is not survived."""
    draw, wrong, done = random.Random(seed), 0, collections.Counter[str]()
    turns = collections.Counter(draw.choice(jobs) for _ in range(count))
    with tempfile.TemporaryDirectory() as scratch:
        for name, times in turns.items():
            bench = Bench(name, Path(scratch).resolve())
            for _ in range(times):
                after = draw.uniform(0, bench.seconds)
                for problem in (found := bench.killed(after)):
                    print(f"{name}, killed after {after:.3f} s: {problem}", file=sys.stderr)
                wrong += bool(found)
                done[name] += 1
            print(
                f"{name}: {times} kills within {bench.seconds:.1f} s; not survived so far: {wrong}",
                flush=True,
            )
    print(f"\n{sum(done.values())} kills at random moments, {wrong} not survived")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
