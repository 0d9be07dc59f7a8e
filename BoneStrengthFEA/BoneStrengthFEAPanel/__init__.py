"""What the module BoneStrengthFEA is made of: MRML nodes on one side, BoneStrengthFEALib on the other."""
