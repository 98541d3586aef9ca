"""Sentences to vectors: the packaged encoder, and CLIP from weights that the user brings."""
