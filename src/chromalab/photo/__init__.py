"""Reading and writing photographs with libvips, the only room that knows it."""
