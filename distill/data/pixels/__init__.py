"""Folders of pictures beside masks, in which every pixel has a class.

paired.py     Pictures beside masks: `images/` and `masks/`, paired by name, each pixel's grey value its class
published.py  Two published folders of pictures and masks as they unpack: PASCAL VOC's, and Carvana's
"""
