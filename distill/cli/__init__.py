"""`sclc`, the command line: one file for each group of commands, which import what computes when they are called.

bench.py         `sclc devices`, `sclc encodings`, `sclc schema`: which hardware there is, how it shows a mask, what
                 files may say
calibrate.py     `sclc calibrate`: a bench's description fitted to what its camera saw
main.py          `sclc`: the application, its version, its exit codes
options.py       Options that several commands share, with the help that a physicist reads
plan.py          `sclc plan`: whether a network's kernels fit a bench, before anything is trained
process.py       What belongs to the command's whole process: threads, the allocator, and the words of an
                 interruption
rigs.py          `sclc capture` and `sclc doctor`: commands on a bench, real or simulated
run.py           `sclc demo` and `sclc run`: the whole job
show.py          What the command line shows: progress on stderr, tables or JSON on stdout
single_steps.py  `sclc evaluate`, `export`, `verify`, `report`: the job's steps one by one
start.py         `sclc` from its first moment: Ctrl-C while libraries are still being read, and text the terminal
                 cannot show
with_captures.py `sclc refit` and `sclc loop`: a trained network learns from what a real bench gives
"""
