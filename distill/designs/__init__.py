"""Masks for an SLM without a network: a kernel, a point-spread function or a mask in, proved frames out.

builtins.py   Targets by name: Sobel, Gabor, donut, line, identity ...
targets.py    What a design is to do: kernels, point-spread functions or masks, of a file, an array, a picture
frames.py     From a target to what the panel shows, and to the fields that the bench makes of it
quality.py    How good a design is, in numbers: error, efficiency, zero order, neighbours; every encoding compared
lab.py        What a laboratory shows first, and README.txt
pictures.py   A design to look at
designer.py   From the target to the directory for the lab, with its proof: `distill.design`
"""

from distill.designs.designer import Design, design
from distill.designs.targets import KINDS

__all__ = ["KINDS", "Design", "design"]
