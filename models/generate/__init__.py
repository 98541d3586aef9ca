"""Sentences to motions: samplers, modes, chains."""
