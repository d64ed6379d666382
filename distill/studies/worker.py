"""A process that does cells of a study: keys on standard input, a line a bundle; `done KEY` on standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from distill.studies.work import opened, work
from optics.errors import OpticsError


def main() -> int:
    """Work until standard input ends."""
    folder = Path(sys.argv[1])
    try:
        plan, subject = opened(folder)
        known = plan.by_key()
        for line in sys.stdin:
            work(folder, subject, plan.conditions, [known[key] for key in line.split()], _done)
    except OpticsError as error:
        _say("error " + " ".join(str(error).split()))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _done(key: str) -> None:
    _say(f"done {key}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
