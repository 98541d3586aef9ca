"""Arrays in, arrays out: video reading, 2D pose, skeletons, views, motion representations."""
