"""The errors that this project raises for bad input. Nothing is imported here, so that `sclc` starts quickly."""


class OpticsError(ValueError):
    """Base of every error this project raises for bad input; the command line prints it as one line, exit code 2."""


class ShapeError(OpticsError):
    """A tensor's shape does not fit the optics it meets."""


class SpecError(OpticsError):
    """A hardware description is not physical, not known, or does not fit the others."""


class SamplingError(OpticsError):
    """A field is sampled too coarsely or on too small a window for the operation asked for."""


class FileError(OpticsError):
    """A file cannot be read or written; the message names it, the reason, and what would help."""
