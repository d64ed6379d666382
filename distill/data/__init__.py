"""Images with their answers, whatever they are stored in.

What a source holds is found first (`parts.Found`), then the classes of all parts are settled by their labels, then the
images that are wanted are read. `docs/data.md` states the rule for every form.

arrays.py         Arrays of pixels to float tensors, by stated rules; `.npz` files and folders of `.npy` files
augmentation.py   Small random shifts, rotations, zooms and mirrorings of the training images
cifar.py          CIFAR-10 and CIFAR-100, binary or python version, from their folder or from the archive
dataset.py        What every source gives: images with their answers, split into training, validation and test parts
download.py       Fetching a public file once, and only if its sha256 is the published one
folders.py        Folders with one subfolder per class
hdf5.py           HDF5: layout A holds arrays of pixels, layout B holds JPEG files end to end
idx.py            MNIST's idx files, and the sets published in the same form
labels.py         What stands in a file as answers to classes with names, the same in every part
listing.py        What lies in a folder, without what archives and desktops leave there
parts.py          A data set before it is read, and reading the chosen images
pickled.py        CIFAR's python batches without running pickle
pictures.py       One picture file to numbers: what a viewer shows is what is read
pixels            Folders of pictures beside masks, PASCAL VOC's and Carvana's among them
survey            What a source holds, told before any training; archives unpacked; any source as HDF5
sources.py        One way to load images, whatever they are stored in: `load("digits")`, `load("cifar10.h5")`, a folder
unlabelled.py     Pictures that nobody labelled: labels hidden from a set, and images that come without any
"""

from distill.data import survey
from distill.data.augmentation import AugmentSpec, augment
from distill.data.dataset import Dataset, Splits
from distill.data.download import fetch
from distill.data.sources import load, names

__all__ = ["AugmentSpec", "Dataset", "Splits", "augment", "fetch", "load", "names", "survey"]
