"""`report.html`: one page that needs nothing beside itself.

figures.py  The pictures of the report: rows, masks, point-spread functions, SLM frames, camera counts, training
            curves
files.py    The files beside a report, as links: what the run wrote, and every file that went out to the lab
page.py     `report.html`: one page that needs nothing beside itself, for a screen, a phone or paper
remarks.py  What the rows say in words that the numbers bear: what distillation gained, and why a control may do as
            well
"""

from distill.report.page import write_report

__all__ = ["write_report"]
