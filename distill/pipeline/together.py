"""The main job in several processes: the first one does it, the others help where a network is trained.

They read the same configuration, data and directory, which several machines must share, and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from distill.job.config import RunConfig
from distill.job.job import Job
from distill.training.processes import Processes
from optics.errors import OpticsError

_NOTHING_MORE = ""


class Crew:
    """The other processes, as the first one calls them; use it as a context, at whose end they go home.

    Args:
        processes: who trains together.
    """

    def __init__(self, processes: Processes) -> None:
        self.processes = processes
        self._training = False

    def train(self, step: str, work: Callable[[], None]) -> None:
        """Do a step in all processes."""
        self.processes.told(lambda: step)
        self._training = True
        work()
        self._training = False

    def __enter__(self) -> Crew:
        """The crew."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send the others home, unless they are left within a training: there they find themselves alone."""
        if not self._training:
            self.processes.told(lambda: _NOTHING_MORE)


def follow(
    config: RunConfig,
    directory: Path,
    processes: Processes,
    steps: Mapping[str, Callable[[Job], None]],
) -> None:
    """Help the first process with each training that it calls, until there is nothing more.

    Args:
        config: the run's.
        directory: the run's, where the first process writes what others read.
        processes: who trains together; this is not the first.
        steps: what each step does.

    Raises:
        OpticsError: the others are gone.
    """
    try:
        job: Job | None = None
        while (step := str(processes.told(lambda: _NOTHING_MORE))) != _NOTHING_MORE:
            job = job or replace(Job.prepare(config, directory), processes=processes)
            steps[step](replace(job, step=step))
    except RuntimeError as error:
        raise OpticsError(
            f"process {processes.rank} lost the others ({str(error).splitlines()[0]}); start the command again with "
            "--resume, it goes on after the last whole epoch."
        ) from error
