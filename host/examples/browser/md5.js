// MD5 (RFC 1321), which browsers lack.

const shifts = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const sines = Uint32Array.from({ length: 64 }, (_, i) => Math.abs(Math.sin(i + 1)) * 2 ** 32);

// md5 is the MD5 hash of data.
export function md5(data) {
  const padded = new Uint8Array(((data.length + 8 >> 6) + 1) << 6);
  const words = new DataView(padded.buffer);
  padded.set(data);
  padded[data.length] = 128;
  words.setBigUint64(padded.length - 8, BigInt(data.length) * 8n, true);
  const state = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  for (let block = 0; block < padded.length; block += 64) {
    let [a, b, c, d] = state;
    for (let i = 0; i < 64; i++) {
      const round = i >> 4;
      const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round];
      const word = [i, 5 * i + 1, 3 * i + 5, 7 * i][round] & 15;
      const sum = (a + mixed + sines[i] + words.getUint32(block + 4 * word, true)) | 0;
      const shift = shifts[4 * round + (i & 3)];
      [a, b, c, d] = [d, (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0, b, c];
    }
    [a, b, c, d].forEach((value, n) => { state[n] = (state[n] + value) | 0; });
  }
  state.forEach((value, n) => words.setUint32(4 * n, value, true));
  return padded.subarray(0, 16);
}
