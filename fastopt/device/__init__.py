"""Optimizers of arrays on a CUDA device: imported when the first such parameter is given."""
