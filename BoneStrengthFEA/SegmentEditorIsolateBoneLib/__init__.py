"""The Segment Editor effect "Isolate bone"."""
