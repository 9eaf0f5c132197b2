"""Photographs in color: chroma predicted on a small copy, brought to full size, and joined with the photo's own light.

Nothing here imports torch: the networks run in ONNX Runtime.
"""
