"""Maps between the embedding spaces of two models, and how well they carry identity."""
