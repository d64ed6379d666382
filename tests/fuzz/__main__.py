"""`python -m tests.fuzz --count 100000 --processes 2`: damaged inputs for every reader, and what came of them."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import torch

from tests.fuzz.harness import BAD, READERS, REFUSED, RIGHT, Fuzzer, Tally, put, read


def main() -> int:
    """Exit code 0 where every input was read right or refused as it should be, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many inputs")
    parser.add_argument("--start", type=int, default=0, help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--only", nargs="*", default=[], choices=list(READERS), help="readers; all by default"
    )
    parser.add_argument("--seconds", type=float, help="begin no further batch after so long")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument(
        "--again", type=int, metavar="NUMBER", help="read one input here, and keep it in ./fuzz-NUMBER"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.again is not None:
        return again(options)
    tally = (
        shared(options)
        if options.processes > 1
        else Fuzzer(options.seed, options.only).run(
            options.count, start=options.start, seconds=options.seconds, tell=so_far
        )
    )
    print(tally.to_json() if options.json else table(tally))
    return 1 if any(tally.total[bad] for bad in BAD) else 0


def so_far(number: int, tally: Tally) -> None:
    """One line on stderr: how far a round has come, its counts, and the last failure that was new."""
    counts = ", ".join(f"{tally.total[c]} {c}" for c in (RIGHT, REFUSED, *BAD) if tally.total[c])
    last = f"; last: {tally.findings[-1]['reader']} {tally.findings[-1]['number']}" if tally.findings else ""
    print(f"{number} after {tally.seconds:.0f} s: {counts}{last}", file=sys.stderr, flush=True)


def shared(options: argparse.Namespace) -> Tally:
    """The count divided among processes, each with numbers of its own."""
    each = -(-options.count // options.processes)
    running = []
    for k in range(options.processes):
        numbers = [
            "--start",
            str(options.start + k * each),
            "--count",
            str(min(each, options.count - k * each)),
        ]
        only = ["--only", *options.only] if options.only else []
        numbers += ["--seconds", str(options.seconds)] if options.seconds else []
        command = [sys.executable, "-m", "tests.fuzz", "--json", "--seed", str(options.seed), *numbers, *only]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    tally = Tally()
    for process in running:
        out, _ = process.communicate()
        told = json.loads(out)
        verdicts = {reader: Counter(counts) for reader, counts in told["verdicts"].items()}
        part = Tally(verdicts, told["findings"], told["seconds"], told["most_bytes"], told["longest"])
        tally = tally.joined(part)
    return tally


def table(tally: Tally) -> str:
    """One line a reader, then every kind of failure once."""
    columns = (RIGHT, REFUSED, *BAD)
    lines = [f"{'reader':<18}" + "".join(f"{c:>15}" for c in columns)]
    for reader, counts in sorted(tally.verdicts.items()):
        lines.append(f"{reader:<18}" + "".join(f"{counts[c]:>15}" for c in columns))
    lines.append(f"{'all':<18}" + "".join(f"{tally.total[c]:>15}" for c in columns))
    lines.append(
        f"{sum(tally.total.values())} inputs in {tally.seconds:.0f} s; the slowest took {tally.longest:.1f} s, the "
        f"largest {tally.most_bytes / 2**20:.0f} MiB beyond what the process held."
    )
    lines += [f"{f['verdict']}: {f['reader']} {f['number']}: {f['why']}" for f in tally.findings]
    return "\n".join(lines)


def again(options: argparse.Namespace) -> int:
    """One input read in this process, its files kept."""
    case = Fuzzer(options.seed, options.only).damaged(options.again)
    folder = Path(f"fuzz-{options.again}")
    reader = READERS[case.reader]
    path = put(case, folder, reader)
    print(case.reader, path, *read(reader, path))
    return 0


if __name__ == "__main__":
    sys.exit(main())
