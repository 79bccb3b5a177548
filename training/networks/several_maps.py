"""Networks whose gap head reads several feature maps by default. Needs no Keras, so the help can name them."""

# They make fewer errors with several maps. Other networks gain nothing from them, or were not measured
# (docs/explanation/benchmarks.md, "Several maps and changed copies").
SEVERAL_MAPS = ("efficientnetlite0", "mobilenet", "vgg19")
