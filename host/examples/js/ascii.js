// Representation type ASCII (RFC 959 §3.1.1.1): lines end in LF in a file and in CRLF on
// the wire. A line of a file that ends in CRLF is sent as it is. Of received bytes a CR is
// removed only before LF.

const CR = 13;
const LF = 10;

// toWire replaces every bare LF by CRLF; last is the byte before data.
export function toWire(data, last) {
  const out = new Uint8Array(2 * data.length);
  let n = 0;
  for (const byte of data) {
    if (byte === LF && last !== CR) out[n++] = CR;
    out[n++] = last = byte;
  }
  return out.subarray(0, n);
}

// toFile replaces every CRLF by LF. A CR at the end of data is held back; held says that
// one was held back of the data before.
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
