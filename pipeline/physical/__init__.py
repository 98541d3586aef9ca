"""Physical clean-up of lifted motion: bones, jitter, ground, standing feet."""
