"""Frozen face models against each other: maps between their spaces, judged on other people."""
