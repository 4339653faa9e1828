// Base64 (RFC 4648, section 4), in which Go's JSON writes bytes.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Return the UTF-8 bytes of a text as base64. */
export function encode(text: string): string {
  const bytes = Uint8Array.wrap(String.UTF8.encode(text));
  let encoded = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const group = (u32(bytes[i]) << 16) | (left > 1 ? u32(bytes[i + 1]) << 8 : 0) | (left > 2 ? u32(bytes[i + 2]) : 0);
    encoded += DIGITS.charAt(group >> 18) + DIGITS.charAt((group >> 12) & 63);
    encoded += left > 1 ? DIGITS.charAt((group >> 6) & 63) : "=";
    encoded += left > 2 ? DIGITS.charAt(group & 63) : "=";
  }
  return encoded;
}

/** Return the text whose UTF-8 bytes are given as base64. */
export function decode(encoded: string): string {
  const length = encoded.indexOf("=") < 0 ? encoded.length : encoded.indexOf("=");
  const bytes = new Uint8Array((length * 3) / 4);
  let bits: u32 = 0;
  for (let i = 0, written = 0; i < length; i++) {
    const digit = DIGITS.indexOf(encoded.charAt(i));
    assert(digit >= 0, "base64: unexpected character");
    bits = (bits << 6) | u32(digit);
    if (i % 4 != 0) bytes[written++] = u8(bits >> (6 - 2 * (i % 4)));
  }
  return String.UTF8.decode(bytes.buffer);
}
