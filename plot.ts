/**
 * Figures and tables from plain numbers, for notebooks, files and consoles. All of it also comes with the
 * whole package.
 *
 * @example
 * ```ts
 * import { plotBars, Table } from "@staticquant/staticquant/plot";
 * const figure = await plotBars({ float: 12.4, quantized: 3.1 }, { label: "MiB" });
 * console.log(String(figure).startsWith("<svg")); // true
 * console.log(String(new Table([{ model: "float", MiB: 12.4 }])));
 * ```
 *
 * @module
 */
export type { DisplayBundle } from "./lib/plot/bundle.ts";
export { Figure, joinFigures } from "./lib/plot/figure.ts";
export { AnalysisReport } from "./lib/plot/report.ts";
export { Table, type TableCell, type TableOptions } from "./lib/plot/table.ts";
export type { PlotRows, PlotValues } from "./lib/plot/values.ts";
export { plotBars, type PlotBarsOptions } from "./lib/plot/bars.ts";
export { plotComparison, type PlotComparisonOptions } from "./lib/plot/comparison.ts";
export {
  plotConfusionMatrix,
  type PlotConfusionMatrixOptions,
} from "./lib/plot/confusion_matrix.ts";
export type { PlotCounts } from "./lib/plot/counts.ts";
export { plotDistribution, type PlotDistributionOptions } from "./lib/plot/distribution.ts";
export { plotHeatmap, type PlotHeatmapOptions } from "./lib/plot/heatmap.ts";
export { plotImages, type PlotImagesOptions } from "./lib/plot/images.ts";
export { plotLines, type PlotLinesOptions } from "./lib/plot/lines.ts";
export { plotRanges, type PlotRangesOptions } from "./lib/plot/ranges.ts";
