"""Feeds are built once, and those of the dataset not used for longest give way."""

import weakref

import pytest

from orchestrator.datasets.feed_cache import FeedCache
from trainables.latents.batching.feed import Feed


class Feeds:
    """A cache of two datasets, and what was built for it."""

    def __init__(self):
        self.cache, self.built = FeedCache(most=2), []

    def get(self, name):
        """The feed of "dataset/split"."""

        def build():
            self.built.append(name)
            return Feed(lambda: iter(()), rms=1.0, lattice_step=None, frame_rate=50.0)

        return self.cache.get(*name.split("/"), build)


@pytest.fixture
def feeds():
    return Feeds()


def test_the_same_key_is_the_same_feed_and_another_split_is_another(feeds):
    assert feeds.get("a/train") is feeds.get("a/train")
    assert feeds.get("a/test") is not feeds.get("a/train")
    assert feeds.built == ["a/train", "a/test"]


def test_the_dataset_not_used_for_longest_gives_way_with_all_its_feeds(feeds):
    for name in ("b/train", "b/test", "a/train", "a/test", "b/train", "c/train"):
        feeds.get(name)
    feeds.built.clear()
    for name in ("b/train", "b/test", "c/train"):  # were kept
        feeds.get(name)
    assert feeds.built == []
    for name in ("a/train", "c/train", "a/test", "b/train"):  # a takes the place of b, and b then that of c
        feeds.get(name)
    assert feeds.built == ["a/train", "a/test", "b/train"]
    feeds.get("c/train")
    assert feeds.built[3:] == ["c/train"]


def test_another_feed_of_a_dataset_that_is_there_drops_nothing(feeds):
    for name in ("a/train", "b/train", "b/test", "a/train"):
        feeds.get(name)
    assert feeds.built == ["a/train", "b/train", "b/test"]


def test_room_is_made_before_the_next_feed_is_built(feeds):
    """Else the device would have to hold the frames of one dataset more."""
    first = weakref.ref(feeds.get("a/train"))
    feeds.get("b/train")
    assert first() is not None
    gone = feeds.cache.get("c", "train", lambda: first() is None)
    assert gone is True
