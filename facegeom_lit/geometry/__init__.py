"""Pure tensors in, tensors out: energies, maps, verification and identification."""
