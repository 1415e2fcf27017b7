// What OHIF's adapter makes of a report: boxes in pixels of their images, and a report of boxes that a reader moved.
//   node adapter.cjs read REPORT           boxes as JSON
//   node adapter.cjs move REPORT OUT X Y   the same boxes moved by X and Y pixels, as OHIF would save them
import { readFileSync, writeFileSync } from 'node:fs';
import { adaptersSR } from '@cornerstonejs/adapters';
import { metaData, utilities } from '@cornerstonejs/core';
import dcmjs from 'dcmjs';

console.log = console.warn = () => {};
const { DicomMetaDictionary, DicomMessage, datasetToBuffer } = dcmjs.data;
const { MeasurementReport } = adaptersSR.Cornerstone3D;
const [command, path, target, right, down] = process.argv.slice(2);

const bytes = readFileSync(path);
const file = DicomMessage.readFile(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
const report = DicomMetaDictionary.naturalizeDataset(file.dict);
report._meta = DicomMetaDictionary.namifyDataset(file.meta);

const imageIds = {};
const instances = {};
for (const study of [report.CurrentRequestedProcedureEvidenceSequence].flat()) {
  for (const series of [study.ReferencedSeriesSequence].flat()) {
    for (const image of [series.ReferencedSOPSequence].flat()) {
      const imageId = `dicom:${image.ReferencedSOPInstanceUID}`;
      imageIds[`${image.ReferencedSOPInstanceUID}:1`] = imageId;
      instances[imageId] = {
        SOPClassUID: image.ReferencedSOPClassUID,
        SOPInstanceUID: image.ReferencedSOPInstanceUID,
        SeriesInstanceUID: series.SeriesInstanceUID,
        StudyInstanceUID: report.StudyInstanceUID,
        PatientID: report.PatientID,
        PatientName: report.PatientName,
      };
    }
  }
}

// A projection radiograph has no place in space: OHIF gives it unit axes. Spacing that is not one shows a mix-up.
const spacing = 0.4;
const plane = {
  imagePositionPatient: [0, 0, 0],
  imageOrientationPatient: [1, 0, 0, 0, 1, 0],
  rowCosines: [1, 0, 0],
  columnCosines: [0, 1, 0],
  rowPixelSpacing: spacing,
  columnPixelSpacing: spacing,
  rows: 4096,
  columns: 4096,
};
const provider = (type, imageId) => {
  const instance = instances[imageId];
  if (!instance) return undefined;
  if (type === 'imagePlaneModule') return { ...plane, frameOfReferenceUID: `${instance.SOPInstanceUID}.1` };
  if (type === 'sopCommonModule') return { sopInstanceUID: instance.SOPInstanceUID, sopClassUID: instance.SOPClassUID };
  if (type === 'instance') return instance;
  if (type === 'frameNumber') return 1;
  return undefined;
};
metaData.addProvider(provider);

const state = MeasurementReport.generateToolState(report, imageIds, metaData);
const found = Object.entries(state).flatMap(([tool, measurements]) =>
  measurements.map((measurement) => {
    const { annotation } = measurement;
    const imageId = annotation.metadata.referencedImageId;
    return {
      tool,
      label: annotation.data.label,
      tracking_uid: measurement.TrackingUniqueIdentifier,
      site: measurement.findingSites.map((site) => site.CodeValue),
      sop_instance_uid: measurement.sopInstanceUid,
      points: (annotation.data.handles.points || []).map((point) => [...utilities.worldToImageCoords(imageId, point)]),
    };
  })
);

if (command === 'read') {
  process.stdout.write(JSON.stringify(found));
} else {
  const tools = {};
  for (const measurement of state.RectangleROI) {
    const { annotation } = measurement;
    annotation.data.handles.points = annotation.data.handles.points.map(([x, y, z]) => [
      x + spacing * Number(right),
      y + spacing * Number(down),
      z,
    ]);
    const imageId = annotation.metadata.referencedImageId;
    const { finding, findingSites } = measurement;
    tools[imageId] ||= { RectangleROI: { data: [] } };
    tools[imageId].RectangleROI.data.push({ ...annotation, finding, findingSites });
  }
  const saved = MeasurementReport.generateReport(tools, metaData, {});
  writeFileSync(target, Buffer.from(datasetToBuffer(saved.dataset).buffer));
}
