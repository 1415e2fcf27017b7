"""The public names of OsteoLens and their types; `__init__.py` loads them when they are first used."""

from cohort.bmd import BmdClass as BmdClass
from cohort.covariates import Covariates as Covariates
from cohort.io.folder import index_cohort as index_cohort
from cohort.io.radiograph import read_radiograph as read_radiograph
from cohort.spine import VertebraBox as VertebraBox
from cohort.spine import VertebralLevel as VertebralLevel
from cohort.spine import View as View
from cohort.study import Radiograph as Radiograph
from cohort.study import Study as Study
from osteolens import errors as errors
from phantom.cohort import simulate_cohort as simulate_cohort
from pipeline.evaluation.evaluate import evaluate as evaluate
from pipeline.evaluation.studies.results import load_predictions as load_predictions
from pipeline.prediction import Prediction as Prediction
from pipeline.roi_comparison.compare import compare_rois as compare_rois
from pipeline.screening.folder import screen_folder as screen_folder
from pipeline.screening.screener import Screener as Screener
from pipeline.training.classifier import train_classifier as train_classifier
from pipeline.training.detector import train_detector as train_detector
from pipeline.training.segmenter import train_segmenter as train_segmenter

__version__: str
PUBLIC: dict[str, str]
OURS: tuple[str, ...]
