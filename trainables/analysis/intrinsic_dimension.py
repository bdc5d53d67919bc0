"""The intrinsic dimension of frames: how many dimensions they fill locally, whatever shape they lie on.

Shapes: N points, D dimensions.
"""

from __future__ import annotations

import numpy as np

from trainables.errors import InputError
from trainables.latents.batching.feed import Feed
from trainables.latents.batching.prepared_data import PreparedData
from trainables.latents.batching.surrogates import Surrogate

_DISCARDED = 0.1  # share of the points, those with the largest ratios
POINTS = (10_000, 5_000, 2_500)  # sizes of the samples


def two_nn(points_ND: np.ndarray, discarded: float = _DISCARDED) -> float:
    """The intrinsic dimension of points [N, D], from the two nearest neighbours of each.

    Where the density hardly changes over the distance to the second neighbour, the ratio mu of the two
    distances has P(mu > x) = x^-d, whatever the density: d is the slope through the origin of -log(1 - F)
    over log mu, without the share ``discarded`` of the largest ratios. Repeated points count once. Above 20
    dimensions no sample is dense enough, and d is underestimated.

    E. Facco, M. d'Errico, A. Rodriguez, A. Laio, "Estimating the intrinsic dimension of datasets by a minimal
    neighborhood information", 2017.

    Raises:
        InputError: fewer than 20 different points.
    """
    import faiss  # here, because it is slow to load

    points = np.unique(np.asarray(points_ND, np.float64), axis=0)
    if len(points) < 20:
        raise InputError(
            f"an intrinsic dimension needs at least 20 different points, and there are {len(points)}; "
            "encode more speakers"
        )
    centred = (points - points.mean(0)).astype(np.float32)
    index = faiss.IndexFlatL2(centred.shape[1])
    index.add(centred)
    # A few more than two, because single precision may confuse the order of close ones.
    _, nearest_NK = index.search(centred, 6)
    distances_NK = np.linalg.norm(points[nearest_NK] - points[:, None], axis=-1)
    distances_NK[nearest_NK == np.arange(len(points))[:, None]] = np.inf
    first, second = np.sort(distances_NK, axis=1)[:, :2].T
    ratios = np.sort(np.log(second / first))
    kept = int(len(ratios) * (1 - discarded))
    survival = -np.log1p(-np.arange(1, kept + 1) / len(ratios))
    return float(ratios[:kept] @ survival / (ratios[:kept] @ ratios[:kept]))


def intrinsic_dimensions(feed: Feed) -> dict[str, dict[int, float]]:
    """Intrinsic dimensions of a feed's frames, by surrogate and by number of points.

    A dimension that falls with fewer points is one of noise. Frames are evenly spread over all utterances, so
    that hardly any has its neighbour in time among the others. A surrogate of the same covariance shows what
    the dimension would be if frames filled an ellipsoid.

    Raises:
        InputError: fewer than 20 different frames.
    """
    frames_SND, _ = PreparedData.from_feed(feed).pairs_2SND
    dimensions: dict[str, dict[int, float]] = {}
    for surrogate, frames_ND in zip(feed.surrogates, frames_SND, strict=True):
        if surrogate == Surrogate.WHITE:  # the same frames in another order
            continue
        for wanted in POINTS:
            chosen_ND = frames_ND[:: max(1, len(frames_ND) // wanted)][:wanted].numpy()
            dimensions.setdefault(surrogate, {})[len(chosen_ND)] = two_nn(chosen_ND)
    return dimensions
