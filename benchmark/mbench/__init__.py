"""mbench: evaluation of instruction-aware multimodal embedding models."""

__version__ = "0.1.0"
