"""Trained models as files: what one holds, and where versions are kept."""
