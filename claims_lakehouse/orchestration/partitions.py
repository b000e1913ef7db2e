"""Partitions: one dynamic definition a feed; a delivery's key is its partition key."""

import dagster as dg

from claims_lakehouse.contracts import Feed


def deliveries(feed: Feed) -> dg.DynamicPartitionsDefinition:
    """The deliveries of a feed."""
    return dg.DynamicPartitionsDefinition(name=f"{feed.name}_deliveries")
