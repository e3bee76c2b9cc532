"""Checks of the image for machines without a container engine: `scripts/check-image`."""
