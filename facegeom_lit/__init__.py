"""Fine-tune face-recognition models for one attribute and see what it does to their geometry."""

__version__ = "0.1.0"
