"""Differentiable models of a 4f system's optics and hardware: functions, thin modules, validated specs."""

import optics.import_guard  # noqa: F401 - first: refuses foreign packages that bear our names
