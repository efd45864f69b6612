// Code that is loaded before anybody wants it run: its top level goes without
// tokens, without input and without the run's clock and chance. Code that looks
// for any of them there is not fit for it, and is loaded when its run begins.
import { keepAlive } from './channel';
import { early } from './host';
import { load, type File } from './load';
import { watch } from './sameness';

const exit: (code: number) => never = process.reallyExit.bind(process);
const unfit = 3; // exit code

/** Loads files; does not return if the code is not fit. */
export async function ahead(files: File[], entry: string): Promise<void> {
  const refuse = (): never => exit(unfit);
  early(refuse);
  const unwatch = watch(refuse);
  process.on('uncaughtException', refuse);
  process.on('unhandledRejection', refuse);
  process.on('beforeExit', refuse);
  keepAlive(false); // a wait that can never end is not fit either
  await load(files, entry).catch(refuse);
  await new Promise((next) => setImmediate(next)); // what it left to be done at once
  keepAlive(true);
  process.off('uncaughtException', refuse);
  process.off('unhandledRejection', refuse);
  process.off('beforeExit', refuse);
  unwatch();
}
