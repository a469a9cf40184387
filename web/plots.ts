/**
 * The library's pictures, in a part of the page that is loaded with the first of them.
 *
 * @module
 */
export { htmlReport } from "../lib/cli/html_report.ts";
export { plotTensors } from "../lib/cli/report_figures.ts";
export { barsOfDecibels } from "../lib/plot/report.ts";
export { plotBars } from "../lib/plot/bars.ts";
export { plotComparison } from "../lib/plot/comparison.ts";
export { plotDistribution } from "../lib/plot/distribution.ts";
export { plotHeatmap } from "../lib/plot/heatmap.ts";
export { plotLines } from "../lib/plot/lines.ts";
export { joinFigures } from "../lib/plot/figure.ts";
export { dtypes } from "../lib/numbers/dtype.ts";
