"""Differentiable models of a 4f system's optics and hardware: pure functions, thin modules, validated specs."""
