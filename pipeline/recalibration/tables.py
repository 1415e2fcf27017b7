"""A recalibration as people read it."""

from __future__ import annotations

import math

from pipeline.evaluation.estimable import gap_text, interval_text
from pipeline.evaluation.statistics.intervals import Estimate
from pipeline.recalibration.cross_validation import BeforeAndAfter
from pipeline.recalibration.recalibrate import RecalibratedWeights


def calibration_rows(weights: RecalibratedWeights) -> list[list[str]]:
    """Each value of the calibration before and now."""
    names = ("temperature", "set_score", "rule_in", "rule_out", "t_score_slope", "t_score_offset")
    return [
        [name.replace("_", " "), f"{getattr(weights.former, name):.4g}", f"{getattr(weights.fitted, name):.4g}"]
        for name in names
    ]


def figure_rows(figures: BeforeAndAfter) -> list[list[str]]:
    """Each figure before and after, and whether it became better."""
    both = (figures.before, figures.after)
    rows = [
        ["calibration error", *(f"{f.calibration_error:.3f} (chance alone {f.by_chance:.3f})" for f in both), ""],
        ["log-loss", *(f"{f.log_loss:.3f}" for f in both), _verdict(figures.log_loss_gain)],
        ["Brier score", *(f"{f.brier:.3f}" for f in both), _verdict(figures.brier_gain)],
        ["sets that hold the truth, %", *(interval_text(f.coverage, 100, 1) for f in both), ""],
        ["classes in a set", *(f"{f.set_size:.2f}" for f in both), ""],
        ["ruled in, PPV in %", *(_decided(f.ruled_in, f.ppv) for f in both), ""],
        ["ruled out, NPV in %", *(_decided(f.ruled_out, f.npv) for f in both), ""],
        ["T-score bias", *(gap_text(f.t_bias, digits=2) for f in both), ""],
        ["T-score error, mean absolute", *(f"{f.t_error:.2f}" for f in both), _verdict(figures.t_error_gain, 2)],
    ]
    return rows


def record_rows(weights: RecalibratedWeights) -> list[list[str]]:
    """On whom the calibration was fitted."""
    record = weights.record
    classes = ", ".join(f"{count} {c}" for c, count in record.classes.items())
    days = "unknown" if record.first_study is None else f"{record.first_study} to {record.last_study}"
    flow = weights.flow
    left_out = {
        **flow.ineligible,
        "without DXA": flow.without_reference,
        "not processed": flow.not_processed,
        "failed": sum(flow.failed.values()),
        **{f"rejected ({code})": count for code, count in flow.rejected.items()},
    }
    return [
        ["patients, studies", f"{record.patients}, {record.studies}"],
        ["by DXA", classes],
        ["radiographs of", days],
        ["left out", ", ".join(f"{count} {why}" for why, count in left_out.items() if count) or "none"],
        ["simulated", "yes: no evidence of real patients" if record.in_silico else "no"],
        *([name, reason] for name, reason in weights.reasons.items()),
    ]


def _decided(count: int, value: Estimate) -> str:
    return f"{count}: {interval_text(value, 100, 1)}" if count else "0"


def _verdict(gain: Estimate, digits: int = 3) -> str:
    """Whether a figure became better, by the interval of the gain."""
    if not math.isfinite(gain.low):
        return "not estimable"
    word = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no difference shown"
    return f"{word}: {gap_text(gain, digits=digits)}"
