"""Knowledge distillation of linear optical networks (spectral-cascade): from a data set to proved SLM files.

data/           images with their labels, whatever they are stored in
training/       losses, the loop that a `kill -9` cannot spoil, evaluation on and off the bench
metrics/        how well predictions agree with labels
export/         a network on a bench as files for the lab, and those files read back
designs/        masks for an SLM without a network: a kernel, a PSF or a mask in, proved frames out
verify/         the exported directory alone, through two physics engines
job/            one job: what it is to do, what it has done, what came out
pipeline/       the main job, step by step
searches/       sizes of a student within a budget of operations
studies/        what is varied on a bench, and what a network does there
comparison/     one network on several benches
report/         one page per run
keeping/        finished runs as small files for a repository, and their table
cli/            the command `sclc`
assets/         what ships with the package: digits, configurations, the page's template
environment.py  where and with what a result was made
progress.py     what a long job tells whoever watches it

The names below load their room when they are first used; `distill/__init__.pyi` lists them.
"""

import lazy_loader

import optics

if not hasattr(optics, "import_guard"):
    raise ImportError(
        f"distill belongs to spectral-cascade and needs its optics, but Python found {optics} first."
    )

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
