// What the model looked at for a word, drawn over the photo: a veil that opens where it looked.

/** Longer side of the drawn map; the browser stretches it over the photo. */
const SIDE_PX = 320;
const VEIL = [12, 16, 20];
const GLOW = [255, 176, 59];

/** Cells of a map between the middles of which values are blended, at a place from 0 to 1. */
export function bilinear(map, side, across, down) {
  const x = Math.min(Math.max(across * side - 0.5, 0), side - 1);
  const y = Math.min(Math.max(down * side - 0.5, 0), side - 1);
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [right, bottom] = [Math.min(left + 1, side - 1), Math.min(top + 1, side - 1)];
  const blend = (from, to, share) => from + (to - from) * share;
  return blend(
    blend(map[top * side + left], map[top * side + right], x - left),
    blend(map[bottom * side + left], map[bottom * side + right], x - left),
    y - top,
  );
}

/** Draws a map on a canvas of the photo's proportions. */
export function drawHeat(canvas, map, side, aspect) {
  canvas.width = Math.round(aspect >= 1 ? SIDE_PX : SIDE_PX * aspect);
  canvas.height = Math.round(aspect >= 1 ? SIDE_PX / aspect : SIDE_PX);
  const { width, height } = canvas;
  const low = Math.min(...map);
  // One cell often outshines all others; the next ones set the scale.
  const high = [...map].sort((a, b) => b - a)[Math.min(2, map.length - 1)];
  const span = high - low || 1;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const value = bilinear(map, side, (x + 0.5) / width, (y + 0.5) / height);
      const heat = Math.min(Math.max((value - low) / span, 0), 1);
      const glow = heat ** 2;
      for (let channel = 0; channel < 3; channel++) {
        image.data[at + channel] = VEIL[channel] + (GLOW[channel] - VEIL[channel]) * glow;
      }
      image.data[at + 3] = 255 * (0.68 * (1 - heat) + 0.22 * glow);
    }
  }
  context.putImageData(image, 0, 0);
}

/** Row and column, each 0 to 2, where most of a map lies: for those who cannot see it. */
export function placeOf(map, side) {
  const thirds = new Float64Array(9);
  for (let cell = 0; cell < side * side; cell++) {
    const row = Math.floor((Math.floor(cell / side) * 3) / side);
    const column = Math.floor(((cell % side) * 3) / side);
    thirds[row * 3 + column] += map[cell];
  }
  const most = thirds.indexOf(Math.max(...thirds));
  return [Math.floor(most / 3), most % 3];
}
