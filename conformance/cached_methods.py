"""Methods and functions that compute once per object; what they keep is freed with the object."""

from __future__ import annotations

import functools
import weakref
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


def cached_per_object(function: Callable[[S], R]) -> Callable[[S], R]:
    """Return ``function`` so that it is called once for the same object, which must not change.

    The result must not keep the object alive.
    """
    kept: weakref.WeakKeyDictionary[S, R] = weakref.WeakKeyDictionary()

    @functools.wraps(function)
    def cached(about: S) -> R:
        if about not in kept:
            kept[about] = function(about)
        return kept[about]

    return cached
