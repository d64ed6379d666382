"""`sclc` from its first moment: Ctrl-C while libraries are still being read, and text the terminal cannot show.

Nothing is imported here that takes time, so that there is hardly a moment in which Ctrl-C ends in a traceback.
"""

import io
import sys


def main() -> int:
    """Run the command line's one command and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        from distill.cli.main import main as command

        return command()
    except KeyboardInterrupt:
        sys.stderr.write("sclc: interrupted; no file is left half written.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
