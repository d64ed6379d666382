"""Failure injection: every file operation of every job fails once, or is the last before the process is killed.

faults.py             the disk that fails: counts operations below a folder and breaks the one that is asked for
jobs.py               what is done: one line for each job, on one small run
points.py             one failure point: break, look, go on, compare
test_*.py             some of the points, in every run of the tests
`python -m tests.reliability` runs them all and prints the figures of docs/reliability.md.
"""
