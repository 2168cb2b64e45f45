"""Sums over pairs of curves: who is near whom, and how their directions agree."""
