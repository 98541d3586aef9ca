"""What all pages share: one self-contained file, its style, sorted tables and 3D players."""
