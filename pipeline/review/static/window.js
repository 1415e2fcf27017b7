// 16-bit greys through window and level into the cells of a canvas.

const table = new Uint32Array(65536);

// `cells` is an ImageData of as many pixels as `greys`.
export function applyWindow(greys, cells, { centre, width, inverted }) {
  const low = centre - width / 2;
  for (let grey = 0; grey < 65536; grey += 1) {
    let value = Math.round((255 * (grey - low)) / width);
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    if (inverted) value = 255 - value;
    table[grey] = 0xff000000 | (value << 16) | (value << 8) | value;
  }
  const out = new Uint32Array(cells.data.buffer);
  for (let k = 0; k < out.length; k += 1) out[k] = table[greys[k]];
}
