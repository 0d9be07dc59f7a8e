"""Material laws as data, and the map from density to moduli and strengths."""
