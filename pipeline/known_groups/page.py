"""Known groups as a page with its tables and a figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from cohort.covariates import Sex
from pipeline.known_groups.groups import KnownGroups
from pipeline.known_groups.observations import IMAGES
from pipeline.known_groups.tables import TITLES, known_group_tables
from pipeline.report_page.captions import Caption
from pipeline.report_page.page import Page, write_page

MARKS = {Sex.FEMALE: ("o", "women"), Sex.MALE: ("^", "men"), None: ("s", "sex unknown")}


def write_known_groups(out: Path, groups: KnownGroups, notice: str) -> None:
    """Write report.html, known_groups.json, tables and the figure into a folder.

    Args:
        out: folder, made where it is missing.
        groups: from `known_groups`.
        notice: what kind of data this is, printed at the top.

    Raises:
        ConfigError: the folder cannot be written.
    """
    write_page(
        out,
        Page(
            package="pipeline.known_groups",
            name="known_groups",
            title="Known groups without DXA",
            notice=notice,
            document=groups.as_json(),
            tables=known_group_tables(groups),
            figures={"age": age_figure(groups)},
            table_captions={name: Caption(title) for name, title in TITLES.items()},
            figure_captions={"age": Caption("Estimated T-score from images alone, by age")},
            context={"weights": ", ".join(groups.observations.weights)},
        ),
    )


def age_figure(groups: KnownGroups) -> Figure:
    """T-score against age, one panel a set of views."""
    patients = groups.observations.usable
    shown = [views for views in IMAGES if any(views in one.t_scores for one in patients)] or list(IMAGES)[:1]
    figure = Figure(figsize=(3.2 * len(shown), 3.0), layout="constrained")
    axes = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for panel, views in zip(axes, shown, strict=True):
        for sex, (mark, label) in MARKS.items():
            own = [one for one in patients if one.sex is sex and views in one.t_scores]
            if own:
                ages, t_scores = [one.age_years for one in own], [one.t_scores[views] for one in own]
                panel.scatter(ages, t_scores, s=14, marker=mark, alpha=0.6, label=label, linewidths=0)
        panel.set_title(" and ".join(views))
        panel.set_xlabel("age, years")
    axes[0].set_ylabel("estimated T-score")
    labels = {text: handle for panel in axes for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    if labels:
        figure.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=len(labels), frameon=False)
    return figure
