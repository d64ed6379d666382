"""What is wrong with a bench, in one page: the quick measurements one after another, and which number to mend first.

examination.py  The measurements in turn, what each finds, and how much of the light each deviation concerns
page.py         One page of HTML with a picture of each measurement
"""

from calibration.doctor.examination import Diagnosis, Trouble, corrected_bench, examine
from calibration.doctor.page import write_page

__all__ = ["Diagnosis", "Trouble", "corrected_bench", "examine", "write_page"]
