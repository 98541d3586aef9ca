"""How good generated motion is: the field's metrics, physical plausibility, and their intervals."""
