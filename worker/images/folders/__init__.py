"""Rules for files in folders of images: what tools leave there, and masks."""
