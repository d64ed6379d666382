"""The main job, step by step, whole or one step on a finished run.

evaluating.py    Every row of the table, on the test part: the benches, and what is computed without one
flaws.py         What mending each flaw of the bench alone would earn: the small study that a run does for its report
gather.py        The last step: every number into `result.json`, and with the pictures into `report.html`
main_job.py      The main job, step by step: data, teacher, students and controls, bench, files for the SLM,
                 proof, report
single_steps.py  The job's steps one by one, on a run that was trained before
step_table.py    The steps: what each writes, reads and depends on, and so which of them are done
steps.py         What each step of the main job does, given a `Job`; `main_job` says in which order and when to
                 skip one
study.py         `distill.study`: vary anything of a bench and see what it does to a network
together.py      The main job in several processes: the first one does it, the others help where a network is
                 trained
unfinished.py    A command that writes nothing but its answer, killed on its way, goes on where it was
with_captures.py A trained network and a real bench: back end fitted to captures, or all of it trained with the bench
"""

from distill.pipeline.main_job import run
from distill.pipeline.single_steps import bench_rows, export_network, open_run, report_run, verify_directory

__all__ = ["bench_rows", "export_network", "open_run", "report_run", "run", "verify_directory"]
