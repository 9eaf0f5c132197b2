"""Reading and writing photo files with libvips: orientation, color profiles, 16 bits, pages and metadata."""

from chromalab.photo.listing import list_photos
from chromalab.photo.reading import Photo, UnreadablePhotoError, read_photo
from chromalab.photo.resizing import resize, resize_shortest_side
from chromalab.photo.scan import Scan, open_scan
from chromalab.photo.writing import write_png

__all__ = [
    "Photo",
    "Scan",
    "UnreadablePhotoError",
    "list_photos",
    "open_scan",
    "read_photo",
    "resize",
    "resize_shortest_side",
    "write_png",
]
