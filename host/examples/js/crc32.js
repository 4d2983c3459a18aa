// CRC-32: node:zlib has it from Node.js 22 on, browsers do not.

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

// crc32 is a digest as Server wants one.
export function crc32() {
  let crc = 0xffffffff;
  return {
    update(data) {
      for (const byte of data) crc = table[(crc ^ byte) & 255] ^ (crc >>> 8);
    },
    digest: () => Uint8Array.from([24, 16, 8, 0].map((shift) => (~crc >>> shift) & 255)),
  };
}
