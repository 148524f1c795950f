"""Methods that compute once per instance and arguments; what they keep is freed with the instance."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


def cached_method(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Return ``method`` so that an instance calls it once for the same positional arguments.

    ``functools.cache`` would keep every instance alive as long as its class. Arguments must be hashable.
    """
    name = f"_cached_{method.__name__}"

    @functools.wraps(method)
    def cached(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        assert not kwargs, "arguments of a cached method are positional"
        kept: dict[Any, R] = self.__dict__.setdefault(name, {})
        if args not in kept:
            kept[args] = method(self, *args, **kwargs)
        return kept[args]

    return cast("Callable[Concatenate[S, P], R]", cached)
