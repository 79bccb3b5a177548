"""A backbone whose feature map also holds earlier maps, pooled to the same cells.

Late maps of a pretrained network describe objects, earlier ones texture and edges, which is what most defects of a
surface consist of. A head that reads both is more accurate, for the cost of a few average poolings. The mean of a
pooled map over its cells is that of the earlier map, so global average pooling and heatmaps work as on a single map.
"""

from collections.abc import Sequence

import keras

from stripwatch.export.runs.run_folder import JOINED


def join_maps(backbone: keras.Model, names: Sequence[str]) -> keras.Model:
    """Return the backbone with the maps of earlier layers appended to the channels of its last map.

    backbone: maps images to a feature map [n, h, w, c]. names: of layers with maps of at least h x w cells; the last
    layer is ignored. A map whose size is not a multiple of h x w loses its outermost cells.
    """
    last, earlier = backbone.output, earlier_maps(backbone, names)
    if not earlier:
        return backbone
    pooled = [_pool(each, last.shape[1:3], at) for at, each in enumerate(earlier)]
    joined = keras.layers.Concatenate(name=JOINED)([last, *pooled])
    return keras.Model(backbone.inputs, joined, name=backbone.name)


def without_joined(backbone: keras.Model) -> keras.Model:
    """Return the backbone as it was before join_maps."""
    if backbone.layers[-1].name != JOINED:
        return backbone
    return keras.Model(backbone.inputs, backbone.layers[-1].input[0], name=backbone.name)


def map_widths(backbone: keras.Model) -> tuple[int, ...]:
    """Return the number of channels of each map that the output of a backbone consists of."""
    last = backbone.layers[-1]
    maps = last.input if last.name == JOINED else [backbone.output]
    return tuple(each.shape[-1] for each in maps)


def earlier_maps(backbone: keras.Model, names: Sequence[str]) -> list[keras.KerasTensor]:
    """Return the maps of these layers without the one that is the output of the backbone."""
    return [layer.output for layer in map(backbone.get_layer, names) if layer.output is not backbone.output]


def pooled_range(fine: int, coarse: int) -> tuple[int, int]:
    """Return the first cell of a fine map that pooling to `coarse` cells uses, and the one after the last."""
    factor = fine // coarse
    first = (fine // factor - coarse) // 2 * factor
    return first, first + coarse * factor


def _pool(cells: keras.KerasTensor, size: tuple[int, int], number: int) -> keras.KerasTensor:
    """Return the means of the cells within each cell of a coarser map of this size."""
    factors = tuple(fine // coarse for fine, coarse in zip(cells.shape[1:3], size, strict=True))
    pooled = keras.layers.AveragePooling2D(factors, name=f"{JOINED}_pool_{number}")(cells)
    spare = [fine - coarse for fine, coarse in zip(pooled.shape[1:3], size, strict=True)]
    if not any(spare):
        return pooled
    borders = tuple((each // 2, each - each // 2) for each in spare)
    return keras.layers.Cropping2D(borders, name=f"{JOINED}_crop_{number}")(pooled)
