"""``--shard``: which of several shards of a run is meant, said by the user or by the engine that started it.

Sources: GitLab's predefined variables ``CI_NODE_INDEX`` (from 1; only in jobs with ``parallel``) and
``CI_NODE_TOTAL`` (1 in all others); Kubernetes' variable ``JOB_COMPLETION_INDEX`` in pods of an Indexed Job
(from 0). Kubernetes does not tell a pod how many there are: ``spec.completions`` stands in the Job alone.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

GITLAB_INDEX, GITLAB_TOTAL = "CI_NODE_INDEX", "CI_NODE_TOTAL"
KUBERNETES_INDEX = "JOB_COMPLETION_INDEX"
WRITTEN = re.compile(r"(auto)(?:/([0-9]{1,9}))?|([0-9]{1,9})/([0-9]{1,9})")
REMEDY = "give I/N with I from 1 to N, such as 2/3"
COMPLETIONS = "give auto/N, N being the `completions` of the Job"
NUMBER = re.compile(r"[0-9]{1,9}")


def read_shard(text: str, source: str, environment: Mapping[str, str]) -> str:
    """Return the shard that a text means as ``I/N``, both counted from 1.

    Args:
        text: ``I/N``, ``auto``, or ``auto/N``, which counts for Kubernetes.
        source: where it comes from, for sentences.
        environment: the process environment, which ``auto`` reads.

    Raises:
        UsageError: it is none of these, or the environment does not say which one it is.
    """
    given = f"{source} {text!r}"
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise UsageError(f"{given} is no shard; {REMEDY}, or auto")
    automatic, of_automatic, index, total = found.groups()
    if automatic is None:
        return _checked(int(index), int(total), given, REMEDY)
    return _automatic(given, int(of_automatic) if of_automatic else None, environment)


def _automatic(given: str, total: int | None, environment: Mapping[str, str]) -> str:
    """Return the shard that GitLab or Kubernetes means."""
    gitlab, kubernetes = (bool(environment.get(name)) for name in (GITLAB_INDEX, KUBERNETES_INDEX))
    if gitlab and kubernetes:
        raise UsageError(
            f"{given} finds both {GITLAB_INDEX} and {KUBERNETES_INDEX} in the environment; unset one, or "
            "give I/N"
        )
    if gitlab:
        return _of_gitlab(given, total, environment)
    if kubernetes:
        return _of_kubernetes(given, total, environment)
    raise UsageError(
        f"{given} finds neither {GITLAB_INDEX} (a GitLab job with `parallel`) nor {KUBERNETES_INDEX} (a "
        "Kubernetes Indexed Job) in the environment; give I/N"
    )


def _of_gitlab(given: str, total: int | None, environment: Mapping[str, str]) -> str:
    index, count = _number(GITLAB_INDEX, environment), _number(GITLAB_TOTAL, environment)
    if total not in (None, count):
        raise UsageError(f"{given} contradicts {GITLAB_TOTAL}={count}; give auto")
    return _checked(index, count, f"{GITLAB_INDEX}={index} with {GITLAB_TOTAL}={count}", REMEDY)


def _of_kubernetes(given: str, total: int | None, environment: Mapping[str, str]) -> str:
    index = _number(KUBERNETES_INDEX, environment)
    if total is None:
        raise UsageError(
            f"{given} finds {KUBERNETES_INDEX}={index}, but Kubernetes does not say how many there are; "
            f"{COMPLETIONS}"
        )
    named = f"{KUBERNETES_INDEX}={index} (counted from 0) with {given}"
    return _checked(index + 1, total, named, COMPLETIONS)


def _number(name: str, environment: Mapping[str, str]) -> int:
    text = environment.get(name, "")
    if not NUMBER.fullmatch(text):
        raise UsageError(
            f"{name}={text!r} in the environment is no whole number; mend it, or give --shard=I/N"
        )
    return int(text)


def _checked(index: int, total: int, given: str, remedy: str) -> str:
    if not 1 <= index <= total:
        raise UsageError(f"{given} is no shard; {remedy}")
    return f"{index}/{total}"
