"""Clips with known 3D: a clothed parametric body performs captured motion before a camera.

    python -m tests.benchmarks.synthetic --data STORE --split test --clips 24 --out FOLDER

Needs the extra `[synthetic]`. Same arguments, same pictures: every choice comes from the seed, the
motion's name and nothing else.
"""
