"""Samples compared and judged in one call."""

from conformance.judging.comparison import compare_sample
from conformance.judging.verdicts import accept_comparisons, judge_comparisons


def compared(goldens, results, where="out"):
    names = [where] if len(goldens) == 1 else [f"sample {index} of {where}" for index in range(len(goldens))]
    return [compare_sample(*trio) for trio in zip(goldens, results, names, strict=True)]


def judge(golden, result, limits, *, where="out"):
    return judge_samples([golden], [result], limits, where=where)


def judge_samples(goldens, results, limits, *, where="out"):
    return judge_comparisons(compared(goldens, results, where), limits)


def judge_acceptance(goldens, results, acceptance, value_range, *, where="out"):
    return accept_comparisons(compared(goldens, results, where), acceptance, value_range)
