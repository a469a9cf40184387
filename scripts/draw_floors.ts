import { FLOORS, type Imports } from "./floors.ts";

const ROW = 34;
const LEFT = 20;
const WIDTH = 190;

/** The room of a file: its folder under `lib`, or the file itself at the top. */
function roomOf(path: string): string {
  return path.match(/^lib\/[^/]+/)?.[0] ?? path;
}

/**
 * The house as a picture: a row for each room, the ground at the bottom, and an arc from each room
 * down to every one that it imports from.
 *
 * @returns SVG that suits light and dark pages.
 */
export function drawFloors(imports: Imports): string {
  const rooms = [...new Set(FLOORS.map(roomOf))].reverse();
  const arcs = new Set<string>();
  for (const [from, targets] of imports) {
    for (const to of targets) {
      if (roomOf(from) !== roomOf(to)) arcs.add(`${roomOf(from)} ${roomOf(to)}`);
    }
  }
  const middle = (room: string) => 12 + rooms.indexOf(room) * ROW + ROW / 2;
  const right = LEFT + WIDTH;
  const paths = [...arcs].sort().map((arc) => {
    const [from, to] = arc.split(" ").map(middle);
    const reach = right + 12 + (to - from) * 0.55;
    return `<path d="M${right} ${from + 4}C${reach} ${from + 4} ${reach} ${to - 4} ${right} ${
      to - 4
    }"/>`;
  });
  const boxes = rooms.map((room) => {
    const y = middle(room);
    return `<rect x="${LEFT}" y="${y - 12}" width="${WIDTH}" height="24" rx="4"/>` +
      `<text x="${LEFT + 12}" y="${y + 5}">${room}</text>`;
  });
  const height = 24 + rooms.length * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 440 ${height}" role="img">
<title>The folders of the house, from the roof to the ground, and what each imports from</title>
<style>
text { font: 14px ui-monospace, monospace; fill: #1f2328 }
rect { fill: #eef2f8; stroke: #7d8590 }
path { fill: none; stroke: #4269d0; stroke-opacity: 0.45 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  rect { fill: #1c2431; stroke: #6e7681 }
  path { stroke: #8ab4ff }
}
</style>
${[...paths, ...boxes].join("\n")}
</svg>
`;
}
