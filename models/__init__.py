"""CrossDiff: network, diffusion, training, checkpoints and the 2D-to-3D lift."""
