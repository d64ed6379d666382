"""Differentiable models of a 4f system's optics and hardware: functions, thin modules, validated specs.

Rooms, in the order of the light; each folder's own face says what is in which of its files.

conventions.py  which sign, which order, which unit: read it first
devices.py      Which device computes: `find` turns a word into a device that is there, or says which are
draws.py        Random draws: each is made on its generator's own device, then moved to where it is needed
errors.py       the errors raised for bad input
checks.py       checks that say what was wrong, where, and what would be right
files.py        files that are whole or absent, written the same way everywhere
import_guard.py Refuses to run beside foreign packages that bear our names: `optics` imports this first
notebook.py     What a notebook shows of a result: a table and a figure, as HTML that needs nothing but itself
numbers.py      Numbers of a description: plain ones, or tensors where a gradient is wanted; and what works on
                both
reading/        files that others made: limits before memory, and foreign errors as ours
recognise.py    What a file is, by what is in it: for errors that tell a user who gave the wrong file what it is
                and where it goes
spec.py         what every hardware description shares: frozen, validated, flaws that can be switched off
modules.py      constants in a working precision; a row of modules of one type
testing.py      strategies of hypothesis for tests of your own: benches, images, masks
toml.py         The former home of `load_bench`, kept for scripts that import it from here; its home is
                `optics.bench`
toml_errors.py  Reading a TOML file so that every error can name the file, the line, the key and what is known
wave/           transforms, free space, lenses, stops and what they need of the sampling
slm/            the spatial light modulator, its flaws, and how it shows a complex mask
camera/         from expected photons to counts
bench/          a bench as its owner writes it, its files, the catalogue of devices
fourf/          the 4f system by several paths that agree, its light, its camera plane
plan/           before anything is built: does it fit, how fast, how bright
plots/          pictures; matplotlib is imported when something is drawn

The names below load their room when they are first used; `optics/__init__.pyi` lists them.
"""

import lazy_loader

import optics.import_guard  # noqa: F401 - first: refuses foreign packages that bear our names

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
