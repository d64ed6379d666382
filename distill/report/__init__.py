"""`report.html`: one page that needs nothing beside itself.

data_addresses.py  Pictures for the report: arrays to PNG data addresses, curves to SVG
figures.py         The pictures of the report: masks, point-spread functions, SLM frames, camera counts, training
                   curves
gain.py            What distillation gained, in words that the numbers bear: the difference from labels alone with its
                   uncertainty
page.py            `report.html`: one page that needs nothing beside itself, for a screen, a phone or paper
"""

from distill.report.page import write_report

__all__ = ["write_report"]
