"""Networks: the baseline U-Net and its encoders, the critics, and the trunks of perceptual distances."""

from chromalab.nets.critics import CRITICS, Critic
from chromalab.nets.encoders import ENCODERS
from chromalab.nets.unet import Colorizer, Heads, Prediction, UNet

__all__ = ["CRITICS", "ENCODERS", "Colorizer", "Critic", "Heads", "Prediction", "UNet"]
