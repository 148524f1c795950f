"""Drawn pictures of one shape each, with its class known: circle, ring, square and so on."""

from shapes.outlines import CLASSES
from shapes.picture import SIZE, drawn

__all__ = ["CLASSES", "SIZE", "drawn"]
