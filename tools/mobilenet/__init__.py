"""A small MobileNet V1 that tells drawn shapes apart: its layers, training, and folding of batch norms."""
