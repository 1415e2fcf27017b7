"""The result of one study, as a type and as JSON; screening writes it, and everything else reads it."""

from cohort.rejection_codes import Rejection as Rejection
from pipeline.prediction.parts import ImageOutcome as ImageOutcome
from pipeline.prediction.parts import ImageRecord as ImageRecord
from pipeline.prediction.parts import LengthUnit as LengthUnit
from pipeline.prediction.parts import MeasuredVertebra as MeasuredVertebra
from pipeline.prediction.parts import ModelIdentifiers as ModelIdentifiers
from pipeline.prediction.parts import Status as Status
from pipeline.prediction.parts import ViewResult as ViewResult
from pipeline.prediction.parts import stored_covariates as stored_covariates
from pipeline.prediction.prediction import Prediction as Prediction
from pipeline.prediction.prediction import read_prediction as read_prediction
