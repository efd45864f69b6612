// In a container without a gate there is no socket to be had, and what the
// runtime says of that helps nobody. The wall is outside; this is the sentence.

/** Makes fetch refuse what it could not reach, by the token that is missing. For a container without a gate. */
export function closed(): void {
  const real: any = globalThis.fetch;
  const refuse = async (input: any, init?: any) => {
    const text = String(input?.url ?? input);
    const at = /^(https?|wss?):\/\/(?:[^/?#]*@)?([^/?#:]+|\[[^\]]*\])(?::(\d+))?(?=[/?#]|$)/i.exec(text);
    if (!at) return real(input, init); // data:, blob:, file:, and what is no URL
    const port = at[3] ?? (/s$/i.test(at[1]!) ? '443' : '80');
    const host = at[2]!.toLowerCase();
    const how = port === '443' ? host : `${host}:${port}`;
    throw Object.assign(new Error(`this unit holds no net:${host}:${port}`), {
      name: 'AriaError', code: 'denied', retryable: false, hint: `declare a handle for it in the class: net('${how}')`,
    });
  };
  (globalThis as any).fetch = Object.assign(refuse, real);
}
