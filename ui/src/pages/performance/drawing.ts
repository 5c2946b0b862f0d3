// How a panel becomes a uPlot chart: straight lines, gaps where nothing is known, areas that stand on each other, marks.
import uPlot from "uplot";
import { minuteOfDay, timeOfDay } from "../../lib/format";
import type { Marker } from "./markers";
import type { Panel, Series } from "./panels";
import { roundTop } from "./stacking";

export const HEIGHT = 160; // px, the axis included

export interface Drawn {
  width: number;
  markers: () => readonly Marker[];
  /** Where the crosshair is: the index of the sample and its time in seconds; nulls where it is not. */
  oncursor: (index: number | null, at: number | null) => void;
}

export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function colourOf(series: Series): string {
  return typeof series.colour === "number" || series.colour === "other" ? `series-${series.colour}` : "text";
}

export function options(panel: Panel, drawn: Drawn): uPlot.Options {
  const [line, text, font] = [token("border"), token("muted"), `12px ${token("font")}`];
  const axis: uPlot.Axis = { stroke: text, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
  return {
    width: drawn.width,
    height: HEIGHT,
    legend: { show: false },
    padding: [10, 8, 0, 0],
    cursor: {
      sync: { key: "performance", setSeries: false },
      drag: { x: false, y: false, setScale: false },
      y: false,
      points: { size: 7, width: 2 },
    },
    scales: {
      x: { time: true },
      y: { range: (_chart, _min, max) => [0, panel.top ?? roundTop(max ?? 0, panel.binary ?? false)] },
    },
    axes: [
      { ...axis, size: 26, space: 70, values: (_chart, splits, _axis, _space, step) => splits.map((at) => clock(at, step)) },
      {
        ...axis,
        size: 68,
        space: 30,
        ...(panel.binary ? { incrs: Array.from({ length: 42 }, (_, power) => 2 ** (power - 1)) } : {}),
        values: (_chart, splits) => splits.map((value) => panel.text(value)),
      },
    ],
    series: [{}, ...panel.series.map(seriesOptions)],
    bands: bandsOf(panel.series),
    hooks: {
      draw: [(chart) => drawMarkers(chart, drawn.markers())],
      setCursor: [(chart) => drawn.oncursor(...under(chart))],
    },
  };
}

function seriesOptions(series: Series): uPlot.Series {
  const stroke = token(colourOf(series)); // #rrggbb
  return {
    label: series.label,
    stroke,
    width: 1.75,
    dash: series.dashed ? [6, 4] : undefined,
    fill: series.stacked ? `${stroke}60` : undefined,
    points: { show: (chart) => (chart.data[0]?.length ?? 0) < 3, size: 6 },
  };
}

/** Each part of a stack is filled down to the one below it, and not to the ground. */
function bandsOf(series: readonly Series[]): uPlot.Band[] {
  const stacked = series.flatMap((each, index) => (each.stacked ? [index + 1] : []));
  return stacked.slice(1).map((upper, index) => ({ series: [upper, stacked[index]!] as [number, number] }));
}

function under(chart: uPlot): [number | null, number | null] {
  const { left, idx } = chart.cursor;
  if (left === undefined || left === null || left < 0) return [null, null];
  return [idx ?? null, chart.posToVal(left, "x")];
}

function clock(at: number, step: number): string {
  return step < 60 ? timeOfDay(at * 1000) : minuteOfDay(at * 1000);
}

/** A line from top to bottom, and a sign at its top that tells the kinds apart: up loaded, down unloaded, a cross failed. */
function drawMarkers(chart: uPlot, markers: readonly Marker[]): void {
  const { ctx, bbox } = chart;
  const ratio = uPlot.pxRatio;
  ctx.save();
  for (const marker of markers) {
    const x = Math.round(chart.valToPos(marker.at, "x", true));
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.strokeStyle = ctx.fillStyle = token(marker.kind === "failed" ? "bad" : marker.kind === "loaded" ? "ok" : "border-strong");
    ctx.lineWidth = ratio;
    ctx.setLineDash([2 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    sign(ctx, marker.kind, x, bbox.top, 4 * ratio);
  }
  ctx.restore();
}

function sign(ctx: CanvasRenderingContext2D, kind: Marker["kind"], x: number, y: number, size: number): void {
  ctx.beginPath();
  if (kind === "failed") {
    ctx.lineWidth = size / 2;
    ctx.moveTo(x - size, y - size);
    ctx.lineTo(x + size, y + size);
    ctx.moveTo(x + size, y - size);
    ctx.lineTo(x - size, y + size);
    ctx.stroke();
    return;
  }
  const [tip, base] = kind === "loaded" ? [y - size, y + size] : [y + size, y - size];
  ctx.moveTo(x, tip);
  ctx.lineTo(x + size, base);
  ctx.lineTo(x - size, base);
  ctx.fill();
}
