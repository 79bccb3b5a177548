"""Networks whose gap head reads several feature maps by default."""

import pytest

from stripwatch.training.networks.catalog import NETWORKS
from stripwatch.training.networks.several_maps import SEVERAL_MAPS

pytestmark = pytest.mark.training


def test_they_are_in_the_catalog() -> None:
    assert set(SEVERAL_MAPS) < set(NETWORKS)
