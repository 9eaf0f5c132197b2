"""Networks: the baseline U-Net and its encoders, the critics, and the trunks of perceptual distances."""
