"""The small electronics behind the camera: classes, pixels, faces; operations counted.

classifier.py          The electronic back end: camera features in, logits out, with its multiply-accumulates
                       counted
depthwise.py           A depthwise 3x3 convolution that looks some bins far; on a CPU trained without that
                       library's slow gradient
parts.py               What the back ends share: the square root of the counts, a multilayer perceptron, the
                       check of what comes in
registry.py            The back ends by name: built new, built again from a configuration, or built alike for
                       other features
segmenter_embedder.py  Electronic back ends that give more than a class: a mask of the whole image, or a point in
                       a space of faces
space_to_depth.py      One back end for fewer maps on finer bins, as a plain lens or the raw image gives them
"""

from networks.backends.classifier import Backend
from networks.backends.parts import SquareRoot
from networks.backends.registry import backend_names
from networks.backends.segmenter_embedder import Embedder, Segmenter
from networks.backends.space_to_depth import Stacked

__all__ = ["Backend", "Embedder", "Segmenter", "SquareRoot", "Stacked", "backend_names"]
