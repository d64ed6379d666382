"""Nonlinear teachers, by name or from a file.

given.py     Teachers that the user brings: a network of their own, and what stands between it and this
             project's images
program.py   Teachers from files: a `torch.export` program, read without executing anything that the file brings
registry.py  Nonlinear teachers by name, or from a file
resnet.py    Residual networks: a small one for small images, and ResNet-18
unet.py      U-Net: a teacher that gives a mask of the whole image
"""

from networks.teachers.program import ExportedProgram, load_program
from networks.teachers.registry import LeNet5, create_teacher, register, teacher_names
from networks.teachers.resnet import ResNet
from networks.teachers.unet import UNet

__all__ = [
    "ExportedProgram",
    "LeNet5",
    "ResNet",
    "UNet",
    "create_teacher",
    "load_program",
    "register",
    "teacher_names",
]
