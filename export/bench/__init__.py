"""How fast a bundle or a run is."""
