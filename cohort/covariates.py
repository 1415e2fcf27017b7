"""What is known of a patient beside the images: age, sex and body size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Sex(StrEnum):
    """Sex as DICOM writes it."""

    FEMALE = "F"
    MALE = "M"


@dataclass(frozen=True, slots=True, kw_only=True)
class Covariates:
    """Clinical covariates, each None when unknown."""

    age_years: float | None = None
    sex: Sex | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    bmi_given: float | None = None

    @property
    def bmi_kg_m2(self) -> float | None:
        """BMI as given, else from height and weight, else None."""
        if self.bmi_given is not None:
            return self.bmi_given
        if self.height_cm and self.weight_kg:
            return self.weight_kg / (self.height_cm / 100) ** 2
        return None

    def overridden_by(self, other: Covariates) -> Covariates:
        """These covariates, with every value that `other` knows taken from it."""
        given = {name: getattr(other, name) for name in self.__slots__ if getattr(other, name) is not None}
        if ("height_cm" in given or "weight_kg" in given) and "bmi_given" not in given:
            given["bmi_given"] = None
        return replace(self, **given)
