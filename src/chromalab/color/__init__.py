"""Color spaces: sRGB, Lab and YUV, and the spaces in which networks are trained."""
