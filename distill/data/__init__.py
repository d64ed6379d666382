"""Images with their answers, whatever they are stored in.

augmentation.py  Small random shifts, rotations, zooms and mirrorings of the training images: more images than
                 there are
binaries.py      Data sets in their authors' binary formats: MNIST's idx files and CIFAR-10's binary version. No
                 pickle
dataset.py       What every data source gives: images with their answers, split into training, validation and test
                 parts
download.py      Fetching a public file once, and only if its sha256 is the published one
folders.py       Picture files and arrays of pixels to float tensors, and folders with one subfolder per class
hdf5.py          Image data sets in HDF5: layout A holds arrays of pixels, layout B holds JPEG files end to end
sources.py       One way to load images, whatever they are stored in: `load("digits")`, `load("cifar10.h5")`, a
                 folder
"""

from distill.data.augmentation import AugmentSpec, augment
from distill.data.dataset import Dataset, Splits
from distill.data.download import fetch
from distill.data.sources import load, names

__all__ = ["AugmentSpec", "Dataset", "Splits", "augment", "fetch", "load", "names"]
