"""Batches made on the training device: crops, cameras, detector-like noise, mixed motions."""
