from tests.trained import fitted_run, random_weights, textures

__all__ = ["fitted_run", "random_weights", "textures"]
