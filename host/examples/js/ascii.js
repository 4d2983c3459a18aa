// Representation type ASCII (RFC 959 §3.1.1.1): lines end in LF in a file and in
// CRLF on the wire. A line that ends in CRLF already stays as it is on the way
// out, and on the way in CR goes only before LF.

const CR = 13;
const LF = 10;

// toWire is data with every bare LF as CRLF; last is the byte before data.
export function toWire(data, last) {
  const out = new Uint8Array(2 * data.length);
  let n = 0;
  for (const byte of data) {
    if (byte === LF && last !== CR) out[n++] = CR;
    out[n++] = last = byte;
  }
  return out.subarray(0, n);
}

// toFile is data with every CRLF as LF. A CR at its end is held back; held says
// that one was of the data before.
export function toFile(data, held) {
  const out = new Uint8Array(data.length + 1);
  let n = 0;
  for (const byte of data) {
    if (held && byte !== LF) out[n++] = CR;
    held = byte === CR;
    if (!held) out[n++] = byte;
  }
  return out.subarray(0, n);
}
