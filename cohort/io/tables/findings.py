"""findings.csv: what a reader of `osteolens review` found, which counts before the findings of cohort.csv."""

from __future__ import annotations

from pathlib import Path

from cohort.io.tables.reader import lines_of, read_table
from cohort.io.tables.rows import cohort_row
from cohort.io.tables.words import known
from cohort.study import Findings
from osteolens.documents.text import visible
from osteolens.errors import ReadError

NAME = "findings.csv"

READ_BY = "read_by"
"""Column by which a table is known as a reader's; any other findings.csv is left unread."""

_READ = ("implant", "fracture_grade", "exposure")


def read_findings(path: Path, wrong: list[str]) -> dict[str, Findings]:
    """Findings by study_uid; a study that stands twice with different findings has none.

    Args:
        path: the table.
        wrong: gets what is wrong with every line that cannot be read or contradicts another; such lines are left out.

    Raises:
        ReadError: a table that cannot be read at all.
    """
    table = read_table(path, wrong)
    if not {"study_uid", READ_BY} <= set(table.columns):
        return {}
    name = visible(path.name)
    found: dict[str, tuple[int, Findings]] = {}
    contradicted: set[str] = set()
    for line, cells in lines_of(table):
        uid = known(cells["study_uid"])
        try:
            findings = cohort_row({column: cells.get(column, "") for column in _READ}, f"{name} line {line}").findings
        except ReadError as error:
            wrong.append(str(error))
            continue
        if not uid:
            wrong.append(f"{name} line {line}: study_uid is empty; expected the study of the findings")
            continue
        first, same = found.setdefault(uid, (line, findings))
        if same != findings:
            contradicted.add(uid)
            wrong.append(
                f"{name} lines {first} and {line}: study_uid {visible(uid)} has different findings; both are left out; "
                "keep those of one reader"
            )
    return {uid: findings for uid, (_, findings) in found.items() if uid not in contradicted}
