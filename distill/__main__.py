"""`python -m distill` is `sclc`: what `torchrun --nproc-per-node N -m distill run ...` starts N times."""

import sys

from distill.cli.start import main

if __name__ == "__main__":
    sys.exit(main())
