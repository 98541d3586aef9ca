"""G_2D->3D as a labeller, and how far it is off."""
