"""Synthetic gallery: bodies and scans with known answers, used by tests, examples and the demo."""
