"""Guo et al.'s text-motion matching networks, which the field's metrics are computed with."""
