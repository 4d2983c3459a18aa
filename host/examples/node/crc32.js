// CRC-32 (zlib.crc32 came with Node.js 22).

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

export function crc32() {
  let crc = 0xffffffff;
  return {
    update(data) {
      for (const byte of data) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
    },
    digest: () => Buffer.from([24, 16, 8, 0].map((shift) => (~crc >>> shift) & 255)),
  };
}
