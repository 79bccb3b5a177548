from tests.trained import random_weights

__all__ = ["random_weights"]
