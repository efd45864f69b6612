// Bytes as they cross: base64.
export const base64 = (b: Uint8Array): string => Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('base64');

/** A copy of its own, so that it can be seen as other numbers. */
export const unbase64 = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'base64'));
