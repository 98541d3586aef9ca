"""Training: configuration, step, loop, validation, resuming, and the recipe of the weights."""
