"""From an encoded frame to an event: decode, batch, infer, build."""
