"""Networks whose gap head reads several feature maps by default. Needs no Keras, so the help can name them."""

# They make fewer errors with several maps (docs/explanation/benchmarks.md, "Several maps"). Other networks gain nothing
# from them, or were not measured.
SEVERAL_MAPS = ("efficientnetlite0", "mobilenet", "vgg19")
