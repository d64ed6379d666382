"""`sclc`, the command line: one file for each group of commands, which import what computes when they are called.

bench.py         `sclc devices`, `encodings`, `plan`, `schema`: which hardware there is, what it shows, what fits, what
                 files say
calibrate.py     `sclc calibrate`: a bench's description fitted to what its camera saw
data.py          `sclc data get`, `check`, `import`: images fetched, looked at, brought into one file
main.py          `sclc`: the application, its version, its exit codes
options.py       Options that several commands share, with the help that a physicist reads
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
