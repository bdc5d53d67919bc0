"""The small feeds that conformance is examined on, for other tests of whatever runs on feeds."""

from trainables.conformance.small_feeds import (
    FRAMES,
    RATE,
    UTTERANCES,
    feed_of_paths,
    log_mel_feed,
    small_evaluation,
    small_feed,
    small_tracks,
)

__all__ = [
    "FRAMES",
    "RATE",
    "UTTERANCES",
    "feed_of_paths",
    "log_mel_feed",
    "small_evaluation",
    "small_feed",
    "small_tracks",
]
