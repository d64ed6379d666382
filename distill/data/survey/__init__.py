"""Looking at a source of images before anything is trained on it, and bringing it into the project's own form.

archives.py   Archives of pictures (zip, tar), unpacked where nothing can leave the folder
contents.py   What a source holds: parts, sizes, classes, duplicates, what cannot be read
one_file.py   Any source as one HDF5 file, which loads as the same images and labels
"""

from distill.data.survey.archives import opened
from distill.data.survey.contents import Checked, check
from distill.data.survey.one_file import convert

__all__ = ["Checked", "check", "convert", "opened"]
