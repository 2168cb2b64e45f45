"""The shape of clouds of embeddings (GEOMETRY §2): persistence, dimension, spectra."""
