"""Load cases: small declared objects that turn a specimen and its material map into a model."""
