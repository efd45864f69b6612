// That the unit is to end, as a signal it may listen to. The broker ends what it
// waits for; what it does then is its own business, for as long as its grace is.

let controller: AbortController | undefined;
let why: Error | undefined;

/** The signal; made when somebody first asks for it. */
export function signal(): AbortSignal {
  if (!controller) {
    controller = new AbortController();
    if (why) controller.abort(why);
  }
  return controller.signal;
}

/** Tells whoever listens, once; false: nobody has ever asked for the signal. */
export function stop(message: string): boolean {
  if (why) return true;
  why = Object.assign(new Error(message), { name: 'AriaError', code: 'cancelled', retryable: false });
  controller?.abort(why);
  return controller !== undefined;
}
