"""Pictures of steel in, a trained Keras model out."""
