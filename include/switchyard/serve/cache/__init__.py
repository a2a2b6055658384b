"""The cache in front of MongoDB. Applications import `ReadThroughCache` from here."""

from switchyard.serve.cache.reader import CacheCounters, ReadThroughCache

__all__ = ["CacheCounters", "ReadThroughCache"]
