"""`sclc`, the command line: one file for each group of commands, which import what computes when they are called.

bench.py         `sclc devices`, `encodings`, `plan`, `schema`: which hardware there is, what it shows, what fits, what
                 files say
calibrate.py     `sclc calibrate`: a bench's description fitted to what its camera saw
compare.py       `sclc compare`: one network on several benches, one page
data.py          `sclc data get`, `check`, `import`: images fetched, looked at, brought into one file
design.py        `sclc design`: frames for an SLM from a kernel, a point-spread function or a mask; no network,
                 no images
main.py          `sclc`: the application, its version, its exit codes
options.py       Options that several commands share, with the help that a physicist reads
process.py       What belongs to the command's whole process: threads, the allocator, and the words of an
                 interruption
results.py       `sclc results`, `sclc info`: finished runs kept as small files and side by side; what a run or
                 a file is
rigs.py          `sclc capture` and `sclc doctor`: commands on a bench, real or simulated
run.py           `sclc demo` and `sclc run`: the whole job
show.py          What the command line shows: progress on stderr, tables or JSON on stdout
single_steps.py  `sclc evaluate`, `export`, `verify`, `report`: the job's steps one by one
start.py         `sclc` from its first moment: Ctrl-C while libraries are still being read, and text the terminal
                 cannot show
study.py         `sclc study`: vary anything of a bench, rank its flaws, draw benches within tolerances
with_captures.py `sclc refit` and `sclc loop`: a trained network learns from what a real bench gives
"""
