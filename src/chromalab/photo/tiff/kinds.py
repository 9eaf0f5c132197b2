"""Numbers and names of the kinds of pixels in TIFF files."""

GRAY_0_WHITE, GRAY, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 4, 5, 6, 8, 9
NONE, OLD_JPEG, JPEG, DEFLATE, PACKBITS, OLD_DEFLATE = 1, 6, 7, 8, 32773, 32946
FAX = frozenset({2, 3, 4})

COLORS = {GRAY_0_WHITE: 1, GRAY: 1, RGB: 3, PALETTE: 1, MASK: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
"""Number of color channels by kind of color."""

KINDS = {
    GRAY_0_WHITE: "gray", GRAY: "gray", RGB: "RGB", PALETTE: "palette", MASK: "mask", CMYK: "CMYK", YCBCR: "YCbCr",
    CIELAB: "CIELab", ICCLAB: "ICCLab", 10: "ITULab", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
CODECS = {
    2: "CCITT modified Huffman", 3: "CCITT Group 3", 4: "CCITT Group 4", 5: "LZW", 6: "old-style JPEG", 7: "JPEG",
    8: "Deflate", 9: "JBIG", 10: "JBIG", 22610: "JPEG XR", 32766: "NeXT 2-bit", 32773: "PackBits", 32809: "ThunderScan",
    32908: "Pixar film", 32909: "Pixar log", 32946: "Deflate", 33003: "JPEG 2000", 33004: "JPEG 2000",
    33005: "JPEG 2000", 33007: "JPEG", 34661: "JBIG", 34676: "SGI log", 34677: "SGI log", 34712: "JPEG 2000",
    34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 34926: "Zstandard", 34927: "WebP", 34933: "PNG",
    34934: "JPEG XR", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
