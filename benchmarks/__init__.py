"""Measurements of speed and memory; not shipped, not part of the tests."""
