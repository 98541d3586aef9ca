"""The camera's own motion, seen in the background while frames pass, and taken out of joints."""
