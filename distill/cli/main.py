"""`sclc`: the command line. The other files of this folder hold its commands.

Exit codes: 0 done; 1 a check failed (the exported files do not give the network's answers, a geometry does not fit);
2 bad input, told in one line on stderr; 130 interrupted. Results go to stdout, progress to stderr; with `--json` stdout
holds one JSON document and nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from distill.cli import bench as cli_bench
from distill.cli import calibrate as cli_calibrate
from distill.cli import compare as cli_compare
from distill.cli import data as cli_data
from distill.cli import design as cli_design
from distill.cli import results as cli_results
from distill.cli import rigs as cli_rigs
from distill.cli import run as cli_run
from distill.cli import single_steps as cli_steps
from distill.cli import study as cli_study
from distill.cli import with_captures as cli_captures
from distill.cli.process import INTERRUPTED, Interrupted, interrupted

# typer has carried click inside since 0.2x; the class is click's ClickException either way
_UsageProblem: type[typer.BadParameter] = next(  # its base, in truth
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

app = typer.Typer(
    name="sclc",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help=(
        "Linear optical networks on a 4f bench: train one by knowledge distillation, put it on your bench, "
        "write the files for your SLM, and prove that they work.\n\n"
        "Begin with [bold]sclc demo[/bold]. Units are SI everywhere: metres, radians, seconds, photons, electrons.\n\n"
        "Exit codes: 0 done, 1 a check failed, 2 bad input (one line on stderr)."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from distill.environment import version

        sys.stdout.write(f"{version()}\n")
        raise typer.Exit


@app.callback()
def _sclc(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Options of `sclc` itself; `app` above holds its help."""


cli_run.register(app)
cli_steps.register(app)
cli_study.register(app)
cli_compare.register(app)
cli_results.register(app)
cli_bench.register(app)
cli_data.register(app)
cli_design.register(app)
cli_calibrate.register(app)
cli_rigs.register(app)
cli_captures.register(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # torch's threads wait asleep, not spinning: beside other work, spinning made training eight times slower. The
    # OpenMP library reads this once, when torch is loaded, hence before the import that follows.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from optics.errors import OpticsError

    command = typer.main.get_command(app)
    try:
        code = command(
            args=None if arguments is None else list(arguments), prog_name="sclc", standalone_mode=False
        )
    except _UsageProblem as error:
        return _bad_input(_usage(error.format_message()))
    except OpticsError as error:
        return _bad_input(str(error))
    except BrokenPipeError:  # the reader of our output has gone, as in `sclc devices | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = error.filename or "a file or the output"
        return _bad_input(f"{where}: {error.strerror or error}")
    except Interrupted as stop:
        return interrupted(str(stop))
    except (KeyboardInterrupt, typer.Abort):
        return interrupted()
    if code == INTERRUPTED:  # typer's answer to Ctrl-C
        return interrupted()
    return code if isinstance(code, int) else 0


def _usage(message: str) -> str:
    """What typer or pydantic says of an option, as one of our lines."""
    told = message.strip().removeprefix("Invalid value: ").replace("Input should be", "expected")
    told = told.rstrip(".") or "a command is missing"
    end = "" if told.endswith(("?", "!")) else "."
    return f"{told}{end} `sclc --help` and `sclc COMMAND --help` explain."


def _bad_input(message: str) -> int:
    sys.stderr.write(f"sclc: {' '.join(message.split())}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
