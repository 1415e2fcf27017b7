"""A review: worklist, images, a reader's file and models; what the page asks for is done here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cohort.spine import View
from cohort.study import Radiograph
from osteolens.atomic import make_folder
from osteolens.documents.json_document import read_json
from osteolens.errors import ReadError, StudyError
from osteolens.shipped import shipped_examples
from pipeline.bundle.load import load_bundle
from pipeline.prediction import Prediction, read_prediction
from pipeline.review.bodies import MeasuredView
from pipeline.review.classification import CorrectedClassifier, store_beside
from pipeline.review.exports import Exports, available
from pipeline.review.heat import heat_layer
from pipeline.review.images import ImageStore, ShownImage
from pipeline.review.options import ReviewOptions
from pipeline.review.readings.corrections import CorrectionRequest, DrawnStudy, Saved
from pipeline.review.readings.history import notes_of
from pipeline.review.readings.log import ReadingLog, opened
from pipeline.review.study import prediction_document, view_documents
from pipeline.review.worklist import Entry, Worklist, read_worklist
from pipeline.screening.screener import Screener


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What one server holds.

    Attributes:
        out: folder of results.
        options: who reviews, and what is hidden.
        worklist: its studies.
        store: their images.
        log: the reader's file.
        classifier: for corrected boxes.
        notes: what is to be known of these readings.
    """

    out: Path
    options: ReviewOptions
    worklist: Worklist
    store: ImageStore
    log: ReadingLog
    classifier: CorrectedClassifier
    notes: tuple[str, ...] = ()

    @property
    def corrected(self) -> Path:
        """Folder of the reader's results on corrected boxes."""
        return self.out / "review" / "corrected" / self.options.name

    def studies(self) -> dict[str, object]:
        """The worklist as the page shows it.

        Raises:
            OutputError: it cannot be kept that predictions are shown.
        """
        self._predictions_are_shown()
        shown = self.worklist.as_json(self.log.states)
        return {**shown, "exports": available()}

    def study(self, entry: Entry) -> dict[str, object]:
        """One study as the page shows it.

        Raises:
            ReadError: its result is damaged.
            OutputError: it cannot be kept that predictions are shown.
        """
        self._predictions_are_shown()
        prediction = read_prediction(entry.path)
        self.log.visited(prediction.study_uid)
        self.store.read_together(entry.images.values())
        hidden = self.options.reader_study
        saved = self.log.state(prediction.study_uid)
        shown: dict[str, object] = {"study_uid": prediction.study_uid, "status": "to read", "patient_id": entry.label}
        if not hidden:
            shown = prediction_document(prediction, entry, self.options.show_names)
        return {
            "prediction": shown,
            "label": entry.label,
            "views": view_documents(prediction, entry, self.store, hidden),
            "corrections": None if saved is None else saved.state.model_dump(mode="json"),
            "saved": None if saved is None else saved.time,
            "study_date": None if entry.study.study_date is None else entry.study.study_date.isoformat(),
            "previous": self.worklist.previous(entry),
        }

    def films(self, entry: Entry) -> dict[str, object]:
        """Images of a study that is looked at beside another one of the patient, with boxes where these are shown.

        Raises:
            ReadError: its result is damaged.
        """
        prediction = read_prediction(entry.path)
        self.store.read_together(entry.images.values())
        return {"views": view_documents(prediction, entry, self.store, self.options.reader_study)}

    def image(self, entry: Entry, view: View) -> ShownImage:
        """The image of a view.

        Raises:
            ReadError: it is not found, has changed, or cannot be read.
        """
        return self.store.image(entry.images[view])

    def heat(self, entry: Entry, view: View) -> bytes | None:
        """Where the classifier looked for the first result; None where no picture of it was made.

        Raises:
            ReadError: it cannot be read, or it is hidden.
        """
        if self.options.reader_study:
            raise ReadError("predictions are hidden in a reader study")
        rows, columns = self.image(entry, view).cells.shape
        return heat_layer(self.out, entry.summary.study_uid, view, (rows, columns))

    def heat_on_boxes(self, entry: Entry, drawn: DrawnStudy) -> dict[View, bytes]:
        """Where the classifier looks on a reader's boxes: a layer of each view, PNG.

        Raises:
            MissingExtra: the extra 'train' is not installed.
            StudyError: no view has enough levels, or predictions are hidden.
            ReadError: a box outside its image, or an image that cannot be read.
        """
        prediction = self._shown_prediction(entry)
        return self.classifier.explain(prediction, drawn, lambda view: self._radiograph(entry, view))

    def bodies(self, entry: Entry, drawn: DrawnStudy) -> dict[View, MeasuredView]:
        """Outlines and heights of the bodies in a reader's boxes.

        Raises:
            StudyError: the weights have no segmenter, or predictions are hidden.
            ReadError: a box outside its image, or an image that cannot be read.
        """
        prediction = self._shown_prediction(entry)
        return self.classifier.measure(prediction, drawn, lambda view: self._radiograph(entry, view))

    def save(self, entry: Entry, request: CorrectionRequest) -> Saved:
        """Keep what the reader says.

        Raises:
            ReadError: a box outside its image, or boxes of a view without an image.
            OutputError: it cannot be written.
        """
        uid = entry.summary.study_uid
        for view, drawn in request.views.items():
            rows, columns = self._shape(entry, view)
            drawn.detection(view, (rows, columns), uid)
        return self.log.save(uid, request)

    def classify(self, entry: Entry, drawn: DrawnStudy) -> dict[str, object]:
        """The class on a reader's boxes; it is stored beside the predicted one.

        Raises:
            StudyError: no view has enough levels, or predictions are hidden.
            ReadError: a box outside its image, or an image that cannot be read.
            OutputError: it cannot be written.
        """
        prediction = self._shown_prediction(entry)
        result = self.classifier.classify(prediction, drawn, lambda view: self._radiograph(entry, view))
        store_beside(self.corrected, prediction, drawn, result)
        return result.as_json()

    @property
    def exports(self) -> Exports:
        """What leaves this review."""
        return Exports(
            out=self.out,
            corrected=self.corrected,
            worklist=self.worklist,
            log=self.log,
            path_of=self.store.path_of,
            classify=self.classify,
        )

    def _predictions_are_shown(self) -> None:
        if not self.options.reader_study:
            self.log.predictions_shown()

    def _shape(self, entry: Entry, view: View) -> tuple[int, int]:
        """(rows, columns) of an image, from the result where it says."""
        if view not in entry.images:
            raise ReadError(f"the study has no {view} image; expected boxes of {', '.join(entry.images)}")
        predicted: Prediction = read_prediction(entry.path)
        if (result := predicted.views.get(view)) is not None:
            return result.detection.image_shape
        rows, columns = self.image(entry, view).cells.shape
        return rows, columns

    def _shown_prediction(self, entry: Entry) -> Prediction:
        """The result of a study.

        Raises:
            StudyError: predictions are hidden.
            ReadError: it is damaged.
        """
        if self.options.reader_study:
            raise StudyError("predictions are hidden in a reader study")
        return read_prediction(entry.path)

    def _radiograph(self, entry: Entry, view: View) -> Radiograph:
        if view not in entry.images:
            raise ReadError(f"the study has no {view} image that can be read; classify on the other view")
        return self.store.radiograph(entry.images[view])


@contextmanager
def opened_review(
    out: Path,
    cohort: Path | None = None,
    images: Path | None = None,
    options: ReviewOptions | None = None,
    weights: Path | None = None,
) -> Iterator[Review]:
    """Read the worklist and hold the reader's file; models load beside.

    Args:
        out: output folder of `osteolens process`.
        cohort: folder of cohort.csv and dxa.csv.
        images: the folder that was screened. Images are looked for there, in the cohort folder, where run.json says
            that they were, and among the shipped examples; their SHA-256 decides.
        options: who reviews, and what is hidden.
        weights: for corrected boxes; the shipped ones when left out.

    Raises:
        ConfigError: a reader study by a reader whom predictions were shown to.
        ReadError: no result, or tables that cannot be read.
        OutputError: another server holds the reader's file, or the folder cannot be written.
    """
    options = options or ReviewOptions()
    folder = out / "review"
    if not (out / "studies").is_dir():
        raise ReadError(f"{out}: no studies/*.json; expected an output folder of `osteolens process`")
    if images is not None and not images.is_dir():
        raise ReadError(f"{images}: no such folder; expected the folder that was screened")
    notes = notes_of(folder, options)
    make_folder(folder)
    screened, given = screened_folder(out), [folder for folder in (images, cohort) if folder is not None]
    folders = [*given, *([] if screened is None else [screened]), shipped_examples()]
    with opened(folder, options) as log:
        yield Review(
            out=out,
            options=options,
            worklist=read_worklist(out, cohort, options),
            store=ImageStore(folders, folder / "thumbnails"),
            log=log,
            classifier=CorrectedClassifier(lambda: load_screener(weights)),
            notes=notes,
        )


def load_screener(weights: Path | None) -> Screener:
    """The models of a folder of weights; the shipped ones when left out.

    Raises:
        WeightsError: weights that are missing, altered or of another version.
    """
    return Screener(load_bundle(weights))


def screened_folder(out: Path) -> Path | None:
    """The folder that was screened, as run.json tells it; None where it tells none."""
    try:
        document = read_json(out / "run.json")
    except ReadError:
        return None
    source = document.get("source") if isinstance(document, dict) else None
    return Path(source) if isinstance(source, str) and Path(source).is_dir() else None
