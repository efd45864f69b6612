// The unit's code as modules under /tmp/unit/, served from memory: nothing is
// written, and stack traces still name paths.
import { nodeModules } from './nodehttp';

export const root = '/tmp/unit/';

export interface File { path: string; content: string }

const code = new Map<string, string>();

/** Makes Bun resolve and load modules below root from the files given to load. */
export function install(): void {
  Bun.plugin({
    name: 'unit',
    setup(build: any) {
      build.onResolve({ filter: /^(\.\.?\/|\/tmp\/unit\/)/ }, ({ path, importer }: { path: string; importer: string }) => {
        const full = path.startsWith('/') ? path : join(importer, path);
        return code.has(full) ? { path: full } : undefined;
      });
      build.onLoad({ filter: /^\/tmp\/unit\// }, ({ path }: { path: string }) => ({ contents: code.get(path) ?? '', loader: 'js' }));
    },
  } as any);
}

/**
 * The module at entry. require() of an ES module is quicker than import(), but
 * it refuses a top-level await anywhere in the graph.
 */
export async function load(files: readonly File[], entry: string): Promise<any> {
  for (const f of files) code.set(root + f.path, f.content);
  nodeModules(files);
  if (!code.has(root + entry)) throw new Error(`the bundle has no file ${entry}`);
  try {
    return require(root + entry);
  } catch (e: any) {
    if (!/async module|top-level await/i.test(String(e?.message))) throw e;
    return import(root + entry);
  }
}

/** Unloads all that was given to load. */
export function forget(): void {
  for (const path of code.keys()) delete require.cache[path];
  code.clear();
}

function join(importer: string, relative: string): string {
  const parts = importer.split('/').slice(0, -1);
  for (const p of relative.split('/')) {
    if (p === '..') parts.pop();
    else if (p !== '.') parts.push(p);
  }
  return parts.join('/');
}
