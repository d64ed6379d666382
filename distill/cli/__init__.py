"""`sclc`, the command line: one room a group of commands. Nothing is imported here, so that `--help` is quick.

bench.py         `sclc devices`, `encodings`, `plan`: what can be had and what fits, before anything is trained
main.py          `sclc`: the command line. Each command's room is a `cli_*.py` beside this file
options.py       Options that several commands share, with the help that a physicist reads
plan.py          `sclc plan`: whether a network's kernels fit a bench, before anything is trained
process.py       What the command may set for its whole process, and no import ever does: threads and the
                 allocator
run.py           `sclc demo` and `sclc run`: the whole job
show.py          What the command line shows: progress on stderr, tables or JSON on stdout
single_steps.py  `sclc evaluate`, `export`, `verify`, `report`: the job's steps one by one
"""
