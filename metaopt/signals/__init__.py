"""What is measured of gradients and updates for rules, controllers and stoppers."""

from metaopt.signals.agreement import agreement
from metaopt.signals.evidence import GradientMoments, evidence
from metaopt.signals.inner_products import cosine, inner_product
from metaopt.signals.overflow import LARGEST_NORM, MAX_SKIPS, overflows

__all__ = [
    "LARGEST_NORM",
    "MAX_SKIPS",
    "GradientMoments",
    "agreement",
    "cosine",
    "evidence",
    "inner_product",
    "overflows",
]
