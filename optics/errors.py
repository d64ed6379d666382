"""The errors that this project raises for bad input. Little is imported here, so that `sclc` starts quickly."""

import re

_LONGEST = 100  # characters of a value in a message
_QUOTED = re.compile(
    rf"""(?<![\w'"])(?P<quote>['"])(?P<kept>(?:(?!(?P=quote)).){{{_LONGEST}}}).+?(?P=quote)(?!\w)"""
)


class OpticsError(ValueError):
    """Base of every error this project raises for bad input; the command line prints it as one line, exit code 2.

    Line ends become spaces; of a value that is quoted, as f"{value!r}" does, at most 100 characters are kept.
    """

    def __init__(self, message: object = "") -> None:
        told = " ".join(line.strip() for line in str(message).splitlines()).strip()
        super().__init__(_QUOTED.sub(r"\g<quote>\g<kept>...\g<quote>", told))


class ShapeError(OpticsError):
    """A tensor's shape does not fit the optics it meets."""


class SpecError(OpticsError):
    """A hardware description is not physical, not known, or does not fit the others."""


class SamplingError(OpticsError):
    """A field is sampled too coarsely or on too small a window for the operation asked for."""


class FileError(OpticsError):
    """A file cannot be read or written; the message names it, the reason, and what would help."""
