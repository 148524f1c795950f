"""Training of the BeautyGAN generator on drawn faces."""
