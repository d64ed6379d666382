"""optics/slm: say here what is in this room and in which file."""

from optics.slm.panel import SLM
from optics.slm.spec import SLMSpec

__all__ = ["SLM", "SLMSpec"]
