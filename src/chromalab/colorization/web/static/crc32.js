/** The checksum of ZIP and PNG files. */

const TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = (value >>> 1) ^ (value & 1 ? 0xedb88320 : 0);
  return value;
});

/**
 * Returns the checksum of bytes.
 *
 * @param {Uint8Array} data
 * @param {number} [before] checksum of the bytes before these.
 */
export function crc32(data, before = 0) {
  let crc = ~before;
  for (let place = 0; place < data.length; place++) crc = (crc >>> 8) ^ TABLE[(crc ^ data[place]) & 255];
  return ~crc >>> 0;
}
