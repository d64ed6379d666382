"""Knowledge distillation of linear optical networks: data, training, evaluation, export, proof, CLI."""

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"distill belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )
