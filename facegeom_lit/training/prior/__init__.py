"""Training of the diffusion prior: the autoencoder first, the flow over its latents after it."""
