"""Presets of published objectives: loss weights, critic and optimizer as in their papers and code.

Every formula uses this project's units: colors of the space `lab` in [-1, 1] (a*, b* over 110), and means over channels
and pixels. If a paper sums over the two channels, or scales colors differently, the published weight is converted, and
`choices` states it. `choices` also lists what a publication leaves open, and what a single network without hints,
patches or stages can't reproduce.

A preset is an objective, not a replication: a study chooses its own network, data and training length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chromalab.core.registry import Registry
from chromalab.training.settings import CriticSettings, OptimizerSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

PERCEPTUAL_STAND_INS = ("lpips_squeeze", "0.1*perceptual_lite0")
"""Replacements of a VGG distance if VGG's weights are missing, best first; the first available one gets its weight.
The Lite0 distance has a factor of 0.1, because its gradient is about ten times as long as that of LPIPS-Squeeze."""


@dataclass(frozen=True)
class Preset:
    """A published objective.

    Attributes:
        formula: the objective.
        source: the publication, and the code that was followed.
        optimizer: published settings of the colorizer's optimizer.
        batch_size: published batch size.
        critic: settings of the critic of adversarial objectives.
        color_from: source of the color, see `NetworkSettings`.
        target_chroma: factor on the chroma of the targets, see `TrainingSettings`; a study's own factor replaces it.
        choices: deviations from the publication, one sentence each.
        stand_ins: replacements of terms whose weights may be missing, best first.
    """

    formula: str
    source: str
    optimizer: OptimizerSettings
    batch_size: int
    critic: CriticSettings | None = None
    color_from: Literal["auto", "head", "bins"] = "auto"
    target_chroma: float = 1.0
    choices: tuple[str, ...] = ()
    stand_ins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


PRESETS: Registry[Preset] = Registry("preset")

PRESETS.add(
    "zhang2016",
    Preset(
        formula="cross_entropy(rebalance=0.5)",
        source="Zhang, Isola, Efros 2016 (Colorful Image Colorization), eq. 2-5; rates from the authors' train/solver",
        optimizer=OptimizerSettings(learning_rate=3e-5, betas=(0.9, 0.99), weight_decay=1e-3),
        batch_size=40,
        choices=(
            "the rate stays constant (published: a tenth after 225,000 steps)",
            "the prior is that of the photos trained on (published: ImageNet's)",
        ),
    ),
)
PRESETS.add(
    "zhang2017",
    Preset(
        formula="10*cross_entropy(rebalance=1) + 20*huber",
        source="Zhang, Zhu, Isola et al. 2017 (Real-Time User-Guided Colorization), section 3; weights from the "
        "authors' PyTorch code (lambda_A = 10, 10 x the regression, delta = 1/110)",
        optimizer=OptimizerSettings(learning_rate=1e-4, betas=(0.5, 0.999)),
        batch_size=32,
        color_from="head",
        choices=(
            "both terms at once, without hints (published: classification first, then regression with hints)",
            "20 is the published 10 on a sum over the two channels, which is a mean here",
            "soft targets over the 313 bins (published code: hard ones over a 23x23 grid)",
        ),
    ),
)
PRESETS.add(
    "instcolorization",
    Preset(
        formula="20*huber",
        source="Su, Chu, Huang 2020 (Instance-aware Image Colorization); weights and rates from the authors' code",
        optimizer=OptimizerSettings(learning_rate=5e-4, betas=(0.9, 0.999)),
        batch_size=16,
        choices=(
            "20 is the published 10 on a sum over the two channels, which is a mean here",
            "whole images only (published: full image, instances, then their fusion)",
            "the rate is the published one of a network that starts from Zhang 2017's weights",
        ),
    ),
)
PRESETS.add(
    "chromagan",
    Preset(
        formula="0.25*l2 + 0.003*class_kl + 0.1*wgan_gp(penalty=10, critic_steps=1)",
        source="Vitoria, Raad, Ballester 2020 (ChromaGAN), section 3.2; weights and rates as in the authors' code",
        optimizer=OptimizerSettings(learning_rate=2e-5, betas=(0.5, 0.999)),
        batch_size=10,
        critic=CriticSettings(network="chromagan", sees="pair", learning_rate=2e-5, betas=(0.5, 0.999)),
        choices=(
            "0.25 is the published 1 on colors in [0, 1]: squared errors in [-1, 1] are 4 times as large",
            "the class head does not feed back into the colors (published: its features are fused with the decoder's)",
        ),
    ),
)
PRESETS.add(
    "pix2pix",
    Preset(
        formula="100*l1 + gan",
        source="Isola, Zhu, Zhou, Efros 2017 (pix2pix), eq. 4 and section 6.2",
        optimizer=OptimizerSettings(learning_rate=2e-4, betas=(0.5, 0.999)),
        batch_size=4,
        critic=CriticSettings(network="patchgan70", sees="pair", learning_rate=2e-4, betas=(0.5, 0.999)),
        choices=(
            "the critic's instance norm stands for the published batch norm, which it equals at a batch of 1",
            "the colorizer gets no noise (published: dropout)",
        ),
    ),
)
PRESETS.add(
    "deoldify",
    Preset(
        formula="1.5*l1 + 1.5*vgg_feature(network=vgg16_bn, at=relu, distance=l1, w3_3=20, w4_3=70, w5_3=10) + gan",
        source="Antic 2018-2020 (DeOldify), the authors' code: FeatureLoss and the GAN phase of the stable model",
        optimizer=OptimizerSettings(learning_rate=2e-5, betas=(0.0, 0.9), weight_decay=1e-3),
        batch_size=5,
        critic=CriticSettings(network="patchgan70", sees="rgb", learning_rate=1e-4, betas=(0.0, 0.9)),
        choices=(
            "all terms from the first step (published, NoGAN: content alone, critic alone, both on few of the photos)",
            "the L1 is that of a* and b* (published: of RGB normalized as for VGG)",
            "PatchGAN as the critic (published: one of its own with spectral norm and self-attention)",
        ),
        stand_ins={"vgg_feature": PERCEPTUAL_STAND_INS},
    ),
)
PRESETS.add(
    "bigcolor",
    Preset(
        formula="0.25*l2 + 0.2*vgg_feature(w1_1=0.25, w1_2=0.25, w3_2=0.25, w4_2=0.25) + 0.03*hinge",
        source="Kim, Kang, Kim et al. 2022 (BigColor), section 3; weights, layers and rates from the authors' code",
        optimizer=OptimizerSettings(learning_rate=1e-4, betas=(0.0, 0.999)),
        batch_size=60,
        critic=CriticSettings(network="image", sees="rgb", learning_rate=3e-5, betas=(0.0, 0.999)),
        choices=(
            "0.25 is the published 1 on values in [0, 1]; the squared error is that of a* and b* (published: of RGB)",
            "a critic of whole images from scratch (published: BigGAN's class-conditional one, pretrained)",
            "targets as they are (published code: their chroma enhanced by 1.2 where the critic sees them)",
            "the rates stay constant (published: times 0.9 an epoch)",
        ),
        stand_ins={"vgg_feature": PERCEPTUAL_STAND_INS},
    ),
)
PRESETS.add(
    "ddcolor",
    Preset(
        formula="11*l1 + 5*vgg_feature(network=vgg16_bn, at=conv, distance=l1, w1_1=0.0625, w2_1=0.125, w3_1=0.25, "
        "w4_1=0.5, w5_1=1) + gan + 0.196*colorfulness",
        source="Kang, Yang, Ouyang et al. 2023 (DDColor), section 3.4; weights, layers, rates from the authors' code",
        optimizer=OptimizerSettings(name="adamw", learning_rate=1e-4, betas=(0.9, 0.99), weight_decay=0.01),
        batch_size=16,
        critic=CriticSettings(network="patchgan70", sees="rgb", learning_rate=1e-4, betas=(0.9, 0.99)),
        target_chroma=1.2,
        choices=(
            "11 is the published 0.1 on a* and b* in CIELAB units",
            "0.196 is the published code's 0.5 with a scale of 255 in place of 100",
            "the chroma of the targets is enhanced by 1.2 for all terms (published: for the feature and GAN terms)",
            "PatchGAN as the critic (published: a U-Net with spectral norm and self-attention)",
            "the rates stay constant (published: halved every 40,000 steps from 80,000 on)",
        ),
        stand_ins={"vgg_feature": PERCEPTUAL_STAND_INS},
    ),
)
PRESETS.add(
    "colorformer",
    Preset(
        formula="11*l1 + 5*vgg_feature(network=vgg16_bn, at=conv, distance=l1, w1_1=0.0625, w2_1=0.125, w3_1=0.25, "
        "w4_1=0.5, w5_1=1) + gan",
        source="Ji, Jiang, Luo et al. 2022 (ColorFormer); weights, layers and rates from the authors' code",
        optimizer=OptimizerSettings(learning_rate=1e-4, betas=(0.9, 0.99)),
        batch_size=16,
        critic=CriticSettings(network="patchgan70", sees="rgb", learning_rate=1e-4, betas=(0.9, 0.99)),
        choices=(
            "11 is the published 0.1 on a* and b* in CIELAB units",
            "PatchGAN as the critic (published: a U-Net with spectral norm and self-attention)",
            "the rates stay constant (published: halved every 40,000 steps from 80,000 on)",
        ),
        stand_ins={"vgg_feature": PERCEPTUAL_STAND_INS},
    ),
)
PRESETS.add(
    "ct2",
    Preset(
        formula="cross_entropy(rebalance=0.5) + 10*huber(delta=1)",
        source="Weng, Sun, Li et al. 2022 (CT2), section 3.5; weights and rate from the authors' code",
        optimizer=OptimizerSettings(name="sgd", learning_rate=1e-3, betas=(0.9, 0.999)),
        batch_size=48,
        color_from="bins",
        choices=(
            "the regression acts on the color decoded from the bins (published: on a branch of its own)",
            "the prior is that of the photos trained on (published: ImageNet's)",
            "plain momentum at a constant rate (published: Nesterov's, with polynomial decay)",
        ),
    ),
)
_CHAPTER = "Ballester et al. 2022 (arXiv 2204.02980), as far as its setting is known"
_CHAPTER_ADAM = OptimizerSettings(learning_rate=2e-5)
_CHAPTER_CRITIC = CriticSettings(network="chromagan", sees="pair", learning_rate=2e-5, betas=(0.5, 0.999))
_CHAPTER_WEIGHTS = "the weights of the mixture and the critic are ChromaGAN's, by three of the same authors"
for _name, _formula, _critic in (
    ("chapter_l1", "l1", None),
    ("chapter_l2", "l2", None),
    ("chapter_lpips", "lpips_vgg", None),
    ("chapter_wgan_l2", "0.25*l2 + 0.1*wgan_gp(penalty=10, critic_steps=1)", _CHAPTER_CRITIC),
    ("chapter_wgan_lpips", "lpips_vgg + 0.1*wgan_gp(penalty=10, critic_steps=1)", _CHAPTER_CRITIC),
):
    PRESETS.add(
        _name,
        Preset(
            formula=_formula,
            source=_CHAPTER,
            optimizer=_CHAPTER_ADAM,
            batch_size=16,
            critic=_critic,
            choices=(_CHAPTER_WEIGHTS,) if _critic else (),
            stand_ins={"lpips_vgg": PERCEPTUAL_STAND_INS},
        ),
    )
